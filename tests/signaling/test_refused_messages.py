"""Somebody can write to Redis, and knows no secret: nothing that he writes is taken for the hub's word."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any
from typing import cast as cast_to
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant
from calls.refusals import EVERY_S, MOST, Refusals, refusals
from calls.services import call_start
from common.errors import Unavailable
from common.push import apush, group_device, group_household, group_worker
from common.stamps import EVENT_TYPE, event_stamped
from households.record.audit import audit_list, audit_sentence
from media.lease import HubLink
from protocol.base import Message
from protocol.messages.calls import CallMoved
from protocol.messages.connection import WebrtcAnswer
from protocol.worker import LegClose, LegOffer, WorkerCommand
from signaling import ask
from signaling.ask import worker_ask
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast, device_go_online
from tests.signaling.sockets import browser, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nothing_told() -> Iterator[None]:
    refusals.__init__()  # type: ignore[misc]
    with scopes_disabled():
        yield


def forged(message: Message, *, to: str) -> dict[str, Any]:
    return {"type": EVENT_TYPE, "to": to, "text": message.to_json(), "stamp": "00" * 32}


async def record(cast: Cast) -> list[str]:
    entries = [entry async for entry in audit_list(cast.anna.household)]
    return [audit_sentence(entry) for entry in entries if entry.kind == "message_refused"]


async def call_make(cast: Cast, worker_id: str) -> Call:
    def make() -> Call:
        with scopes_disabled():
            device_go_online(cast.kitchen)
            return call_start(membership=cast.anna, device=cast.kitchen)

    call = await sync_to_async(make)()
    assert call.worker_id == worker_id
    return call


OF_KITCHEN = ["A message for Kitchen speaker was changed on its way inside the hub, and refused."]
OF_A_PAGE = ["A message for a page of this home was changed on its way inside the hub, and refused."]


async def test_a_device_does_not_hear_what_the_hub_did_not_write(cast: Cast) -> None:
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    group, layer = group_device(cast.kitchen.public_id), get_channel_layer()
    await layer.group_send(group, forged(CallMoved(call_id=uuid4()), to=group))
    real = CallMoved(call_id=uuid4())
    await apush(group, real)
    assert (await socket.hear())["call_id"] == str(real.call_id)
    assert await record(cast) == OF_KITCHEN
    await socket.close()


async def test_a_page_does_not_hear_it_either_and_a_message_of_another_home_is_none_of_its_own(
    cast: Cast,
) -> None:
    page = await browser(cast.anna)
    group, layer = group_household(cast.anna.household.public_id), get_channel_layer()
    message = CallMoved(call_id=uuid4())
    elsewhere = group_household(cast.carla.household.public_id)
    await layer.group_send(group, event_stamped(kind=EVENT_TYPE, to=elsewhere, text=message.to_json()))
    await apush(group, real := CallMoved(call_id=uuid4()))
    assert (await page.hear("call_moved"))["call_id"] == str(real.call_id)
    assert await record(cast) == OF_A_PAGE
    await page.close()


async def test_nobody_speaks_as_the_client_of_a_socket_but_the_client(cast: Cast) -> None:
    async with FakeWorker():
        await sync_to_async(device_go_online)(cast.kitchen)
        page = await browser(cast.anna)
        words = json.dumps({"type": "call_invite", "device_id": str(cast.kitchen.public_id)})
        group, layer = group_household(cast.anna.household.public_id), get_channel_layer()
        for type_ in ("websocket.receive", "websocket.disconnect", "websocket.connect", "refused"):
            await layer.group_send(group, {"type": type_, "text": words, "code": 1000})
        await page.say("ping", id="1")
        assert (await page.hear("pong", "call_state", "error"))["type"] == "pong"
        assert await Call.objects.acount() == 0
        await page.close()


async def test_a_worker_takes_the_commands_of_the_hub_alone(cast: Cast) -> None:
    async with HubLink("w-1") as link:
        call = await call_make(cast, "w-1")
        caller = await CallParticipant.objects.aget(call=call, role="caller")
        offer = LegOffer(
            leg_id=caller.public_id,
            call_id=call.public_id,
            participant_id=caller.public_id,
            sdp="a=fingerprint:sha-256 AA",
            ice_servers=[],
            reply_channel="x",
        )
        group, layer = group_worker("w-1"), get_channel_layer()
        swapped = event_stamped(kind=EVENT_TYPE, to=group, text=offer.to_json())
        swapped["text"] = swapped["text"].replace("AA", "BB")
        for event in (swapped, forged(LegClose(leg_id=uuid4()), to=group), {"type": EVENT_TYPE}):
            await layer.group_send(group, event)
        await apush(group, offer)
        async with aclosing(cast_to(AsyncGenerator[WorkerCommand], link.commands())) as commands:
            assert await asyncio.wait_for(anext(commands), 10) == offer
    assert await record(cast) == OF_KITCHEN


async def test_an_answer_that_no_worker_gave_is_not_waited_out_and_not_taken(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "WITHIN_S", 1.0)
    offer = LegOffer(
        leg_id=cast.kitchen.public_id, sdp="v=0", ice_servers=[], reply_channel="", is_standing=True
    )
    async with FakeWorker() as worker:

        async def answer() -> None:
            command = await worker.command()
            assert isinstance(command, LegOffer)
            fake = forged(WebrtcAnswer(sdp="v=0"), to=command.reply_channel)
            await get_channel_layer().send(command.reply_channel, fake)

        answering = asyncio.create_task(answer())
        with pytest.raises(Unavailable):
            await worker_ask(worker.worker_id, offer)
        await answering


async def test_what_is_noted_has_a_limit_and_each_call_has_its_own(cast: Cast) -> None:
    now_s = 100.0
    noted = Refusals(clock=lambda: now_s)
    for _ in range(3):
        await noted.note({"text": json.dumps({"device_id": str(cast.kitchen.public_id)})})
    assert await record(cast) == OF_KITCHEN
    for _ in range(2 * MOST):
        text = json.dumps({"device_id": str(cast.kitchen.public_id), "call_id": str(uuid4())})
        await noted.note({"text": text})
    assert len(await record(cast)) == MOST
    now_s += EVERY_S
    await noted.note({"text": json.dumps({"leg_id": str(cast.kitchen.public_id)})})
    assert len(await record(cast)) == MOST + 1


@pytest.mark.parametrize("text", [None, 7, "", "[]", "[" * 5000, '{"call_id": 7}', '{"leg_id": "x"}'])
async def test_what_says_of_nobody_is_noted_for_nobody(cast: Cast, text: object) -> None:
    await Refusals().note({"text": text})
    await Refusals().note(text)
    assert await record(cast) == []
