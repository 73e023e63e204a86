"""Answers, ends and workers that are lost while a call goes on, on the wire."""

import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant
from calls.services import call_leg_joined, call_leg_lost
from protocol.messages.calls import LOST_FOR_GOOD
from protocol.worker import LegOffer
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, browser, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def _invite(page: Socket, cast: Cast, request_id: str) -> dict[str, Any]:
    await page.say("call_invite", device_id=str(cast.kitchen.public_id), id=request_id)
    while True:
        answer = await page.hear("call_state", "error")
        if answer.get("reply_to") == request_id:
            return answer


async def _legs_say(call_id: str, role: str, *, is_lost: bool) -> None:
    def say() -> None:
        with scopes_disabled():
            legs = CallParticipant.objects.select_related("call__device", "call__household")
            leg = legs.get(call__public_id=call_id, role=role)
            if is_lost:
                call_leg_lost(leg=leg, worker_id="fake-worker")
            else:
                call_leg_joined(leg=leg, worker_id="fake-worker")

    await sync_to_async(say)()


async def test_the_same_invitation_again_is_answered_with_the_same_call(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        first = await _invite(page, cast, "one")
        await page.close()
        page = await browser(cast.anna)  # the answer was lost with the socket
        again = await _invite(page, cast, "one")
        assert (again["call_id"], again["state"]) == (first["call_id"], "calling")
        assert (await _invite(page, cast, "two"))["code"] == "device_busy"
        with scopes_disabled():
            assert await Call.objects.acount() == 1  # one's own tries leave no line about the busy device
        await page.close()
        await device.close()


async def test_a_refusal_that_was_lost_is_said_again_and_leaves_one_line(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        answers = [await _invite(page, cast, "one") for _ in range(2)]
        assert [answer["code"] for answer in answers] == ["device_offline"] * 2
        with scopes_disabled():
            assert await Call.objects.acount() == 1
        await page.close()


async def test_another_person_s_invitation_with_the_same_id_is_another(cast: Cast) -> None:
    async with FakeWorker():
        page, other = await browser(cast.anna), await browser(cast.ben)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        await _invite(page, cast, "one")
        assert (await _invite(other, cast, "one"))["code"] == "device_busy"
        for end in (page, other, device):
            await end.close()


async def test_everybody_hears_who_is_away_and_that_he_is_back(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = (await _invite(page, cast, "one"))["call_id"]
        await device.say("call_accept", call_id=call_id)
        for role in ("caller", "callee"):
            await _legs_say(call_id, role, is_lost=False)
        while (await page.hear("call_state"))["state"] != "connected":
            pass
        while (await device.hear("call_state"))["state"] != "connected":
            pass
        await _legs_say(call_id, "caller", is_lost=True)
        await _legs_say(call_id, "caller", is_lost=True)
        assert [(await end.hear("call_state"))["away"] for end in (page, device)] == [["caller"], ["caller"]]
        # Whoever comes back meanwhile reads it from the row.
        await device.close()
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        assert (await device.hear("call_state"))["away"] == ["caller"]
        await _legs_say(call_id, "caller", is_lost=False)
        assert ["away" in await end.hear("call_state") for end in (page, device)] == [False, False]
        await page.close()
        await device.close()


async def test_a_push_that_was_lost_is_made_up_for_with_the_next_statistics(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = (await _invite(page, cast, "one"))["call_id"]
        await device.say("call_accept", call_id=call_id)
        for role in ("caller", "callee"):
            await _legs_say(call_id, role, is_lost=False)
        for end in (page, device):
            while (await end.hear("call_state"))["state"] != "connected":
                pass
        await _legs_say(call_id, "caller", is_lost=True)
        assert [(await end.hear("call_state"))["away"] for end in (page, device)] == [["caller"], ["caller"]]
        # The row changes, and nobody is told: as if Redis had been away.
        with scopes_disabled():
            await CallParticipant.objects.aupdate(lost_at=None)
        for end in (page, device):
            await end.say("stats", call_id=call_id, samples=[{"packets_received": 50}])
            state = await end.hear("call_state")
            assert (state["state"], "away" in state) == ("connected", False)
            # Once it was told, it is not told again.
            await end.say("stats", call_id=call_id, samples=[{"packets_received": 50}])
            await end.say("ping")
            assert (await end.hear("call_state", "pong"))["type"] == "pong"
        with scopes_disabled():
            await Call.objects.aupdate(state="ended", outcome="answered", reason="Over.")
        await device.say("stats", call_id=call_id, samples=[{"packets_received": 50}])
        assert (await device.hear("call_state"))["reason"] == "Over."
        await page.close()
        await device.close()


async def test_an_offer_without_a_worker_is_refused_until_there_is_one(cast: Cast) -> None:
    async with FakeWorker("first"):
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = str((await _invite(page, cast, "one"))["call_id"])
    await page.say("webrtc_offer", call_id=call_id, sdp="v=0", id="offer")
    refused = await page.hear("error")
    assert (refused["code"], refused["reply_to"]) == ("no_worker", "offer")
    async with FakeWorker("second") as worker:
        with scopes_disabled():
            await Call.objects.filter(public_id=call_id).aupdate(worker_id="second")
        await page.say("webrtc_offer", call_id=call_id, sdp="v=0", id="offer")
        command = await worker.command()
        assert isinstance(command, LegOffer)
        assert (command.call_id, command.request_id) == (uuid.UUID(call_id), "offer")
    await page.close()
    await device.close()


async def test_why_an_end_gave_up_stands_in_the_row(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = (await _invite(page, cast, "one"))["call_id"]
        await device.say("call_end", call_id=call_id, reason=LOST_FOR_GOOD)
        words = "The connection to Kitchen speaker was lost and did not come back."
        assert (await page.hear("call_end"))["reason"] == words
        with scopes_disabled():
            assert (await Call.objects.aget(public_id=call_id)).reason == words
        await page.close()
        await device.close()
