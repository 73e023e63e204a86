"""WHIP over HTTP: each answer of RFC 9725, in words where it is a refusal, and what the worker is told."""

import time
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.core.cache import cache
from django.test import AsyncClient, Client
from django_scopes import scopes_disabled

from calls.models import WhipSession
from devices.foreign import device_token_renew
from devices.models import Device
from devices.services import device_unclaim
from households.services import api_token_create
from protocol.errors import ErrorCode
from protocol.messages.socket import Error
from protocol.whip import MAX_BODY_BYTES
from protocol.worker import LegCandidate, LegClose, LegOffer
from signaling import ask, whip, whip_api
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.whip.door import (
    ANSWER,
    SDP,
    SDPFRAG,
    URL,
    Door,
    answered,
    door_make,
    heard,
    is_online,
    next_of,
    problem,
)
from tests.whip.offers import FRAGMENT, OFFER, VIDEO

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


# The connection


async def test_an_offer_is_answered_by_a_worker_and_becomes_a_session(door: Door) -> None:
    async with FakeWorker() as worker:
        answer, offer = await door.connect(worker)
    assert answer.content.decode() == ANSWER
    assert answer["Content-Type"] == SDP
    assert answer["Accept-Patch"] == SDPFRAG
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Location" in answer["Access-Control-Expose-Headers"]
    assert answer["Cache-Control"] == "no-store"
    assert answer["ETag"].startswith('"')
    with scopes_disabled():
        session = await WhipSession.objects.aget()
    assert answer["Location"] == f"{URL}/{session.public_id}"
    assert (offer.leg_id, offer.call_id, offer.is_standing) == (door.device.public_id, None, True)
    assert offer.recording_name is None  # nothing is kept before a call
    assert not await is_online(door)  # not before it was heard


async def test_the_servers_come_as_links_with_a_credential_of_ten_minutes(
    door: Door, settings: LazySettings
) -> None:
    settings.TURN_URLS, settings.TURN_SECRET = ["turn:turn.example.org:3478?transport=udp"], "of this test"
    async with FakeWorker() as worker:
        answer, offer = await door.connect(worker)
    stun, turn = answer["Link"].split(", ")
    assert stun == '<stun:turn.example.org:3478>; rel="ice-server"'
    assert turn.startswith('<turn:turn.example.org:3478?transport=udp>; rel="ice-server"; username="')
    assert '"; credential="' in turn
    expiry = int(turn.split('username="')[1].split(":")[0])
    assert 590 < expiry - time.time() <= 600
    assert len(offer.ice_servers) == 2
    with_token = await door.ask("OPTIONS")
    assert "turn:turn.example.org" in with_token["Link"]
    assert "Link" not in await AsyncClient().options(URL)


async def test_options_say_what_the_addresses_take(door: Door) -> None:
    for path, methods, header in (
        (URL, "POST, OPTIONS", "Accept-Post"),
        (f"{URL}/{uuid4()}", "PATCH, DELETE, OPTIONS", "Accept-Patch"),
    ):
        answer = await AsyncClient().options(path)
        assert (answer.status_code, set(answer["Allow"].split(", "))) == (200, set(methods.split(", ")))
        assert answer[header] == (SDP if path == URL else SDPFRAG)
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in answer["Access-Control-Allow-Headers"]


async def test_a_second_connection_takes_the_place_of_the_first(door: Door) -> None:
    async with FakeWorker() as worker:
        _, first = await door.connect(worker)
        old = door.location
        _, second = await door.connect(worker)
        assert first.leg_id == second.leg_id  # the same leg: the worker hands over within it
        assert door.location != old
        assert problem(await door.ask("DELETE", old)) == (
            404,
            "There is no such connection. Connect again with a POST.",
        )
        assert (await door.ask("DELETE", door.location)).status_code == 200


async def test_a_device_that_hangs_up_is_offline_and_its_session_is_gone(door: Door) -> None:
    async with FakeWorker() as worker:
        await door.connect(worker)
        await heard(door)
        assert await is_online(door)
        answer = await door.ask("DELETE", door.location)
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await next_of(worker, LegClose)).leg_id == door.device.public_id
    assert not await is_online(door)
    assert (await door.ask("DELETE", door.location)).status_code == 404
    assert (await door.trickle()).status_code == 404


async def test_candidates_that_follow_reach_the_worker(door: Door) -> None:
    async with FakeWorker() as worker:
        await door.connect(worker)
        answer = await door.trickle(**{"If-Match": door.etag})
        assert (answer.status_code, answer.content) == (204, b"")
        told = [await next_of(worker, LegCandidate) for _ in range(3)]
    assert [command.sdp_mid for command in told] == ["audio0", "audio0", None]
    assert [bool(command.candidate) for command in told] == [True, True, False]


# Refusals


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("", 400, "empty"),
        ("hello", 400, "not the offer"),
        (b"v=0\xff\xfe", 400, "no text"),
        (OFFER.replace("a=ice-ufrag", "a=nothing"), 400, "not the offer"),
        (OFFER + VIDEO, 406, "one microphone and nothing else"),
        (OFFER.replace("m=audio", "m=video"), 406, "one microphone"),
        (OFFER.replace("OPUS/48000/2", "PCMU/8000"), 406, "Opus only"),
        (OFFER.replace("a=sendrecv", "a=recvonly"), 406, "offer its microphone"),
        (OFFER.replace("a=sendrecv", "a=inactive"), 406, "offer its microphone"),
        (OFFER + "a=x:" + "y" * MAX_BODY_BYTES, 413, "at most"),
    ],
)
async def test_an_offer_that_cannot_be_is_refused_in_words(
    door: Door, body: str | bytes, status: int, words: str
) -> None:
    async with FakeWorker():
        found, detail = problem(await door.ask("POST", body=body))
    assert found == status
    assert words in detail


async def test_what_the_worker_finds_in_an_offer_is_said_as_it_says_it(door: Door) -> None:
    async with FakeWorker() as worker:
        refusal = Error(code=ErrorCode.BAD_SDP, message="The offered audio has no DTLS role.")
        _, answer = await answered(worker, door.ask("POST", body=OFFER), refusal)
    assert problem(answer) == (400, "The offered audio has no DTLS role.")
    with scopes_disabled():
        assert not await WhipSession.objects.aexists()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic eDp5", "bearer  hld_x"])
async def test_nobody_gets_in_without_the_token_of_a_device(door: Door, header: str) -> None:
    for method, path in (("POST", URL), ("DELETE", f"{URL}/{uuid4()}"), ("PATCH", f"{URL}/{uuid4()}")):
        answer = await door.ask(method, path, OFFER, Authorization=header)
        assert problem(answer)[0] == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_of_a_person_is_no_token_of_a_device(cast: Cast, door: Door) -> None:
    _, door.token = await sync_to_async(api_token_create)(membership=cast.anna, name="robot")
    assert problem(await door.ask("POST", body=OFFER))[0] == 401


async def test_the_session_of_another_device_looks_absent(cast: Cast, door: Door) -> None:
    stranger = await sync_to_async(door_make)(cast.carla, "Mill door")
    async with FakeWorker() as worker:
        await door.connect(worker)
        foreign = problem(await stranger.ask("DELETE", door.location))
        absent = problem(await stranger.ask("DELETE", f"{URL}/{uuid4()}"))
        assert foreign == absent == (404, "There is no such connection. Connect again with a POST.")
        assert (await door.trickle()).status_code == 204


async def test_other_methods_and_other_types_are_refused(door: Door) -> None:
    async with FakeWorker() as worker:
        await door.connect(worker)
        for method, path in (("GET", URL), ("PUT", URL), ("GET", door.location), ("POST", door.location)):
            answer = await door.ask(method, path)
            assert problem(answer)[0] == 405
            assert "OPTIONS" in answer["Allow"]
        wrong = await door.ask("POST", body=OFFER, kind="application/json")
        assert problem(wrong) == (415, "Send application/sdp.")
        assert wrong["Accept-Post"] == SDP
        wrong = await door.ask("PATCH", door.location, FRAGMENT, SDP)
        assert problem(wrong) == (415, "Send application/trickle-ice-sdpfrag.")
        assert wrong["Accept-Patch"] == SDPFRAG
        picky = await door.ask("POST", body=OFFER, Accept="application/json")
        assert problem(picky)[0] == 406


@pytest.mark.parametrize(
    ("body", "match", "status"),
    [
        (FRAGMENT.replace("nmBl", "zzzz"), "*", 422),  # an ICE restart
        (FRAGMENT, '"of-another-connection"', 412),
        ("hello", "", 400),
        ("a=mid:0\r\n", "", 400),
        (FRAGMENT + "a=candidate:1 1 UDP 1 192.0.2.2 39002 typ host\r\n" * 40, "", 400),
        (FRAGMENT + "a=x:" + "y" * MAX_BODY_BYTES, "", 413),
    ],
)
async def test_a_fragment_that_cannot_be_is_refused(door: Door, body: str, match: str, status: int) -> None:
    async with FakeWorker() as worker:
        await door.connect(worker)
        answer = await door.trickle(body, **({"If-Match": match} if match else {}))
    assert problem(answer)[0] == status


async def test_without_a_worker_that_answers_the_device_is_told_to_come_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await door.ask("POST", body=OFFER)
    assert problem(answer)[0] == 503
    assert answer["Retry-After"] == "2"
    monkeypatch.setattr(ask, "WITHIN_S", 0.2)
    async with FakeWorker() as worker:
        assert problem(await door.ask("POST", body=OFFER))[0] == 503  # it says nothing
        await next_of(worker, LegOffer)
        drains = Error(code=ErrorCode.NO_WORKER, message="This part of the hub is stopping. Connect again.")
        monkeypatch.setattr(ask, "WITHIN_S", 5.0)
        _, answer = await answered(worker, door.ask("POST", body=OFFER), drains)
        assert problem(answer) == (503, drains.message)


async def test_a_device_that_connects_too_often_is_held_back_and_no_other(
    cast: Cast, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whip, "CONNECTIONS_PER_MINUTE", 2)
    other = await sync_to_async(door_make)(cast.anna, "Pram")
    for status in (400, 400, 429):
        answer = await door.ask("POST", body="hello")
        assert problem(answer)[0] == status
    assert answer["Retry-After"] == "60"
    assert problem(await other.ask("POST", body="hello"))[0] == 400


async def test_wrong_tokens_are_counted_and_the_right_one_still_opens(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whip_api, "WRONG_TOKENS_PER_MINUTE", 2)
    for status in (401, 401, 429):
        assert problem(await door.ask("POST", body=OFFER, Authorization="Bearer wrong"))[0] == status
    async with FakeWorker() as worker:
        await door.connect(worker)


def test_a_network_of_many_addresses_tries_no_more_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whip_api, "WRONG_TOKENS_PER_MINUTE", 2)
    cache.clear()

    def knock(address: str) -> int:
        return Client(REMOTE_ADDR=address).post(URL, OFFER, content_type=SDP).status_code

    assert [knock(f"2001:db8:1:2::{number}") for number in range(3)] == [401, 401, 429]
    assert knock("2001:db8:1:3::1") == 401


# The household


@pytest.mark.parametrize("way", ["renewed", "removed"])
async def test_who_is_locked_out_is_cut_off_at_once(door: Door, way: str) -> None:
    @sync_to_async
    def lock_out() -> None:
        with scopes_disabled():
            device = Device.objects.select_related("household").get(pk=door.device.pk)
            device_unclaim(device=device) if way == "removed" else device_token_renew(device=device)

    async with FakeWorker() as worker:
        await door.connect(worker)
        await heard(door)
        await lock_out()
        assert (await next_of(worker, LegClose)).leg_id == door.device.public_id
        assert problem(await door.ask("POST", body=OFFER))[0] == 401
    assert not await is_online(door)


async def test_a_new_token_opens_and_only_one_is_good(door: Door) -> None:
    @sync_to_async
    def renew() -> str:
        with scopes_disabled():
            device = Device.objects.select_related("household").get(pk=door.device.pk)
            return device_token_renew(device=device)[1]

    first, second = await renew(), await renew()
    door.token = first
    assert problem(await door.ask("POST", body=OFFER))[0] == 401
    door.token = second
    async with FakeWorker() as worker:
        await door.connect(worker)
