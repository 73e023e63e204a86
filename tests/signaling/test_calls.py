"""A call on the wire, between a browser, a device and a media worker."""

import uuid

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scopes_disabled

from calls.ending.services import call_leg_left
from calls.models import Call, CallParticipant
from calls.services import call_leg_joined
from devices.models import Device, DevicePresence, EchoRemoval
from devices.services import device_update
from protocol.worker import CallClose, LegCandidate, LegOffer
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, browser, device_hello, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def invite(page: Socket, cast: Cast) -> str:
    await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="call")
    state = await page.hear("call_state", "error")
    assert (state["type"], state["reply_to"], state["state"]) == ("call_state", "call", "calling"), state
    return str(state["call_id"])


async def join(call_id: str) -> None:
    """What the worker tells when the first audio of both ends came."""

    def joined() -> None:
        with scopes_disabled():
            for leg in CallParticipant.objects.filter(call__public_id=call_id).select_related("call__device"):
                call_leg_joined(leg=leg, worker_id="fake-worker")

    await sync_to_async(joined)()


async def call_row(call_id: str) -> Call:
    def get() -> Call:
        with scopes_disabled():
            return Call.objects.get(public_id=call_id)

    return await sync_to_async(get)()


async def test_a_call_rings_connects_and_ends_for_both_sides(cast: Cast) -> None:
    async with FakeWorker() as worker:
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        ring = await device.hear("call_invite")
        assert (ring["call_id"], ring["caller_name"], ring["auto_answer"]) == (call_id, "Anna", True)
        await device.say("call_ringing", call_id=call_id)
        assert (await page.hear("call_state"))["state"] == "ringing"
        await device.say("call_accept", call_id=call_id)
        assert (await page.hear("call_state"))["state"] == "connecting"
        await join(call_id)
        connected = await page.hear("call_state")
        assert (connected["state"], connected["connected_at"] is not None) == ("connected", True)
        await page.say("call_end", call_id=call_id, ago_s=3.0)
        ended = await device.hear("call_end")
        assert (ended["outcome"], (await page.hear("call_end"))["outcome"]) == ("answered", "answered")
        assert ended["duration_s"] == 0  # no call ends before it began
        assert await worker.command() == CallClose(call_id=uuid.UUID(call_id))
        await page.close()
        await device.close()


async def test_offers_and_candidates_of_both_ends_reach_the_worker_of_the_call(cast: Cast) -> None:
    async with FakeWorker() as worker:
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        legs = set()
        for end in (page, device):
            await end.say("webrtc_offer", call_id=call_id, sdp="v=0", id="o")
            offer = await worker.command()
            assert isinstance(offer, LegOffer)
            assert (str(offer.call_id), offer.request_id) == (call_id, "o")
            assert str(offer.recording_name).endswith(".ogg")
            await end.say("ice_candidate", call_id=call_id, candidate="candidate:1", sdpMid="0")
            candidate = await worker.command()
            assert isinstance(candidate, LegCandidate)
            assert candidate.leg_id == offer.leg_id
            legs.add(offer.leg_id)
        assert len(legs) == 2
        await page.close()
        await device.close()


async def test_an_offline_device_is_said_to_be_offline_and_the_try_stands_in_the_history(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="c")
        error = await page.hear("error")
        assert error["code"] == "device_offline"
        assert "Kitchen speaker is offline" in error["message"]
        with scopes_disabled():
            assert await Call.objects.filter(outcome="offline", state="ended").acount() == 1
        await page.close()


async def test_a_busy_device_is_said_to_be_busy_and_its_call_goes_on(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        first = await invite(page, cast)
        other = await browser(cast.ben)
        await other.say("call_invite", device_id=str(cast.kitchen.public_id), id="c")
        error = await other.hear("error")
        assert (error["code"], error["message"]) == ("device_busy", "Kitchen speaker is in another call.")
        assert "call_id" not in error
        assert (await call_row(first)).is_live
        phone = await browser(cast.anna)
        assert (await phone.hear("call_state"))["caller_id"] == str(cast.anna.user.public_id)
        for _ in range(2):  # also to whoever did not hear it
            await phone.say("call_invite", device_id=str(cast.kitchen.public_id), id="d")
            error = await phone.hear("error")
            assert error["message"].startswith("You are in a call with Kitchen speaker already")
            assert (error["code"], error["call_id"], error["reply_to"]) == ("device_busy", first, "d")
        with scopes_disabled():
            assert await Call.objects.filter(outcome="busy").acount() == 1  # of the other person alone
        await phone.close()
        for end in (page, other, device):
            await end.close()


async def test_somebody_elses_device_looks_like_none(cast: Cast) -> None:
    page = await browser(cast.anna)
    answers = []
    for device_id in (cast.cellar.public_id, uuid.uuid4()):
        await page.say("call_invite", device_id=str(device_id))
        answers.append(await page.hear("error"))
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "not_found"
    await page.close()


async def test_somebody_elses_call_looks_like_none(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        foreign = await browser(cast.carla)
        for type_ in ("call_end", "call_accept", "call_decline"):
            await foreign.say(type_, call_id=call_id)
            assert (await foreign.hear("error"))["code"] == "not_found"
        await foreign.say("webrtc_offer", call_id=call_id, sdp="v=0")
        assert (await foreign.hear("error"))["code"] == "not_found"
        assert (await call_row(call_id)).is_live
        for end in (page, foreign, device):
            await end.close()


async def test_a_declined_call_says_so(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        await device.say("call_decline", call_id=call_id)
        end = await page.hear("call_end")
        assert (end["outcome"], end["reason"]) == ("declined", "Kitchen speaker declined the call.")
        await page.close()
        await device.close()


async def test_the_device_may_hang_up_too(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        await device.say("call_accept", call_id=call_id)
        await join(call_id)
        await device.say("call_end", call_id=call_id)
        assert (await page.hear("call_end"))["outcome"] == "answered"
        await page.close()
        await device.close()


async def test_a_second_hang_up_and_a_late_answer_change_nothing(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        for _ in range(2):
            await page.say("call_end", call_id=call_id, id="e")
            state = await page.hear("call_state")
            assert (state["state"], state["outcome"]) == ("ended", "cancelled")
        await device.say("call_accept", call_id=call_id, id="late")
        assert (await device.hear("error"))["code"] == "call_ended"
        await device.say("webrtc_offer", call_id=call_id, sdp="v=0", id="late")
        assert (await device.hear("error"))["code"] == "call_ended"
        await page.close()
        await device.close()


async def test_a_device_that_was_away_when_the_call_came_is_invited_when_it_returns(cast: Cast) -> None:
    async with FakeWorker():
        key = cast.keys[cast.kitchen.pk]
        page = await browser(cast.anna)
        first = await device_socket(cast.kitchen, key)
        call_id = await invite(page, cast)
        await first.close()
        second = await device_socket(cast.kitchen, key)
        assert (await second.hear("call_invite"))["call_id"] == call_id
        await page.close()
        await second.close()


async def test_a_leg_that_the_worker_gives_up_ends_the_call_with_the_reason(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        await device.say("call_accept", call_id=call_id)
        await page.hear("call_state")
        await join(call_id)

        def give_up() -> None:
            with scopes_disabled():
                leg = CallParticipant.objects.select_related("call__device", "call__household").filter(
                    call__public_id=call_id, role="callee"
                )
                call_leg_left(leg=leg.get(), reason="The connection was lost.", worker_id="fake-worker")

        await sync_to_async(give_up)()
        end = await page.hear("call_end")
        assert (end["outcome"], end["reason"]) == ("answered", "The connection was lost.")
        await page.close()
        await device.close()


async def test_the_least_loaded_worker_takes_the_call(cast: Cast) -> None:
    async with FakeWorker("busy", leg_count=4), FakeWorker("idle", leg_count=0):
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        assert (await call_row(await invite(page, cast))).worker_id == "idle"
        await page.close()
        await device.close()


async def test_a_device_hears_its_settings_when_it_connects_and_when_they_change(cast: Cast) -> None:
    device = Socket("/ws/device/", [])
    await device.open()
    await device_hello(device, cast.kitchen, cast.keys[cast.kitchen.pk])
    told = await device.hear("device_settings")
    assert (told["echo_cancellation"], told["device_name"]) == (True, "Kitchen speaker")

    def change() -> None:
        with scopes_disabled():
            device_update(
                membership=cast.anna,
                device=cast.kitchen,
                name="Kitchen",
                room=None,
                is_auto_answer=False,
                echo_removal=EchoRemoval.HUB,
            )

    await sync_to_async(change)()
    told = await device.hear("device_settings")
    assert (told["echo_cancellation"], told["device_name"]) == (False, "Kitchen")
    await device.close()


async def test_the_echo_that_a_device_removed_is_kept_of_its_own_call_only(cast: Cast) -> None:
    page, device = await browser(cast.anna), await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    async with FakeWorker():
        call_id = await invite(page, cast)
    foreign = await device_socket(cast.cellar, cast.keys[cast.cellar.pk])
    await foreign.say("stats", call_id=call_id, samples=[{}], echo_return_loss_enhancement=50.0, id="s")
    assert (await foreign.hear("error"))["reply_to"] == "s"
    await device.say("stats", call_id=call_id, samples=[{}], echo_return_loss_enhancement=31.5)
    await device.say("ping", id="p")
    await device.hear("pong")

    def measured(owner: Device) -> float | None:
        with scopes_disabled():
            return DevicePresence.objects.get(device=owner).echo_return_loss_enhancement

    assert await sync_to_async(measured)(cast.kitchen) == 31.5
    assert await sync_to_async(measured)(cast.cellar) is None
    for socket in (page, device, foreign):
        await socket.close()
