"""GStreamer's webrtcbin as a device of the house: called, heard both ways, recorded. Real processes and real sound."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant
from calls.services import call_start
from devices.foreign import device_token_renew, foreign_device_create
from devices.models import Device
from tests.fakes.media_program import MediaProgram
from tests.fakes.peer import level_db
from tests.fakes.phone import Phone
from tests.plugin_cast import Cast
from tests.whip.foreign import WAIT_S, ForeignDevice, Web

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

DOOR_HZ, CALLER_HZ = 1000, 440


@pytest.fixture
def web(tmp_path: Path, cast: Cast) -> Iterator[Web]:
    with Web(log=tmp_path / "web.log") as web:
        yield web


@pytest.fixture
def media(tmp_path: Path, cast: Cast) -> Iterator[MediaProgram]:
    with MediaProgram(processes=2, log=tmp_path / "media.log") as media:
        yield media


@pytest.fixture
def door(cast: Cast) -> tuple[Device, str]:
    """The device and its token."""
    with scopes_disabled():
        device = foreign_device_create(membership=cast.anna, name="Front door", room=None)
        return device, device_token_renew(device=device)


@sync_to_async
def call_of(cast: Cast, device: Device) -> tuple[Call, CallParticipant]:
    with scopes_disabled():
        call = call_start(
            membership=cast.anna,
            device=Device.objects.select_related("household", "presence").get(pk=device.pk),
        )
        return call, CallParticipant.objects.select_related("call", "household", "device").get(
            call=call, role="caller"
        )


async def online(device: Device, is_online: bool = True) -> None:
    with scopes_disabled():
        async with asyncio.timeout(WAIT_S):
            while (
                await Device.objects.select_related("presence").aget(pk=device.pk)
            ).presence.is_online is not is_online:
                await asyncio.sleep(0.05)


async def test_it_is_called_and_both_hear_each_other(
    web: Web, media: MediaProgram, cast: Cast, door: tuple[Device, str], tmp_path: Path
) -> None:
    device, token = door
    async with ForeignDevice(web.url, token, tmp_path / "door", hz=DOOR_HZ) as foreign:
        await foreign.tells("state", state="connected")
        await online(device)
        _, leg = await call_of(cast, device)
        async with Phone(leg, says_hz=CALLER_HZ, hears_hz=DOOR_HZ) as anna:
            began_s = time.monotonic()
            await anna.connect()
            await anna.wait_heard(began_s)
            heard = await foreign.hears(CALLER_HZ)
            assert level_db(heard, DOOR_HZ) < -40
