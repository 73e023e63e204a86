"""A foreign device at the WHIP endpoint, as far as HTTP goes, and the worker that answers it."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django_scopes import scopes_disabled

from calls.models import Call
from calls.services import call_start
from calls.workers.whip import whip_heard
from common.push import apush_channel
from devices.foreign import device_token_renew, foreign_device_create
from devices.models import Device, DevicePresence
from households.models import Membership
from protocol.base import Message
from protocol.messages.connection import WebrtcAnswer
from protocol.messages.socket import Error
from protocol.worker import LegOffer
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.whip.offers import FRAGMENT, OFFER

URL = "/api/v1/whip"
ANSWER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
SDP = "application/sdp"
SDPFRAG = "application/trickle-ice-sdpfrag"
Command = TypeVar("Command", bound=Message)


class Door:
    """The foreign device, as far as HTTP goes."""

    def __init__(self, device: Device, token: str) -> None:
        self.device, self.token = device, token
        self.location = self.etag = ""

    async def ask(
        self, method: str, path: str = URL, body: str | bytes = b"", kind: str = SDP, **headers: str
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | headers
        data = body.encode() if isinstance(body, str) else body
        return await AsyncClient().generic(method, path, data, content_type=kind, headers=headers)

    async def connect(self, worker: FakeWorker, sdp: str = OFFER) -> tuple[Any, LegOffer]:
        """POST, and the worker answers."""
        offer, answer = await answered(worker, self.ask("POST", body=sdp), WebrtcAnswer(sdp=ANSWER))
        assert answer.status_code == 201, answer.content
        self.location, self.etag = answer["Location"], answer["ETag"]
        return answer, offer

    async def trickle(self, body: str = FRAGMENT, **headers: str) -> Any:
        return await self.ask("PATCH", self.location, body, SDPFRAG, **headers)


async def answered(
    worker: FakeWorker, request: Awaitable[Any], reply: WebrtcAnswer | Error
) -> tuple[LegOffer, Any]:
    asking = asyncio.ensure_future(request)
    offer = await next_of(worker, LegOffer)
    await apush_channel(offer.reply_channel, reply.model_copy(update={"reply_to": offer.request_id}))
    return offer, await asking


async def next_of(worker: FakeWorker, kind: type[Command]) -> Command:
    async with asyncio.timeout(10):
        command = await worker.command()
    assert isinstance(command, kind), command
    return command


def problem(answer: Any) -> tuple[int, str]:
    """Status and words. Every refusal has the form of RFC 9457."""
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == answer.status_code
    assert body["title"]
    return answer.status_code, body["detail"]


def door_make(member: Membership, name: str) -> Door:
    with scopes_disabled():
        device = foreign_device_create(membership=member, name=name, room=None)
        return Door(device, device_token_renew(device=device)[1])


@sync_to_async
def heard(door: Door, worker_id: str = "fake-worker") -> None:
    """The worker hears it, so it is online."""
    with scopes_disabled():
        whip_heard(device_id=door.device.public_id, worker_id=worker_id)


@sync_to_async
def called(cast: Cast, door: Door) -> Call:
    with scopes_disabled():
        devices = Device.objects.select_related("household", "presence")
        return call_start(membership=cast.anna, device=devices.get(pk=door.device.pk))


@sync_to_async
def is_online(door: Door) -> bool:
    with scopes_disabled():
        return DevicePresence.objects.get(device=door.device).is_online
