"""GStreamer's webrtcbin as a device of the house: called, heard both ways, recorded. Real processes and real sound."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django_scopes import scopes_disabled

from calls.ending.services import call_end
from calls.models import Call, CallParticipant, Recording, RecordingState
from calls.recording.sounds import sound_open
from calls.services import call_start
from config.embedded import EmbeddedServers
from devices.foreign import device_token_renew, foreign_device_create
from devices.models import Device, DevicePresence
from protocol.messages.calls import CallState
from tests.fakes.media_program import MediaProgram
from tests.fakes.peer import Samples, decoded, level_db, loudest_hz
from tests.fakes.phone import Phone
from tests.plugin_cast import Cast
from tests.whip.foreign import RATE, WAIT_S, ForeignDevice, Web

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

DOOR_HZ, CALLER_HZ = 1000, 440


@pytest.fixture(scope="module")
def web(
    servers: EmbeddedServers, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    with Web(log=tmp_path_factory.mktemp("web") / "web.log") as web:
        yield web


@pytest.fixture
def media(tmp_path: Path, cast: Cast) -> Iterator[MediaProgram]:
    """Gone before the rows are deleted: it writes to them whenever it has news."""
    with MediaProgram(processes=2, log=tmp_path / "media.log") as media:
        yield media


@pytest.fixture
def door(cast: Cast) -> tuple[Device, str]:
    """The device and its token."""
    with scopes_disabled():
        device = foreign_device_create(membership=cast.anna, name="Front door", room=None)
        return device, device_token_renew(device=device)[1]


@sync_to_async
def call_of(cast: Cast, device: Device) -> tuple[Call, CallParticipant]:
    """Anna presses Call: the call, and her end of it."""
    with scopes_disabled():
        devices = Device.objects.select_related("household", "presence")
        call = call_start(membership=cast.anna, device=devices.get(pk=device.pk))
        legs = CallParticipant.objects.select_related("call", "household", "device")
        return call, legs.get(call=call, role="caller")


@sync_to_async
def hang_up(call: Call) -> None:
    with scopes_disabled():
        call_end(call=Call.objects.select_related("device", "household").get(pk=call.pk))


@sync_to_async
def recordings_of(call: Call) -> list[Recording]:
    with scopes_disabled():
        rows = Recording.objects.filter(call=call).select_related("participant", "household", "call")
        return list(rows.order_by("participant__role"))


def heard_in(recording: Recording) -> Samples:
    with scopes_disabled():
        return decoded(sound_open(recording))


async def recorded(call: Call) -> dict[str, Samples]:
    """What was recorded of each end, by its role, once the files are closed."""
    async with asyncio.timeout(WAIT_S):
        rows = await recordings_of(call)
        while len(rows) < 2 or any(row.state != RecordingState.FINISHED for row in rows):
            await asyncio.sleep(0.1)
            rows = await recordings_of(call)
    return {row.participant.role: await sync_to_async(heard_in)(row) for row in rows}


async def _is_online(device: Device) -> bool:
    with scopes_disabled():
        return (await DevicePresence.objects.aget(device=device)).is_online


async def online(device: Device, is_online: bool = True) -> None:
    async with asyncio.timeout(WAIT_S):
        while await _is_online(device) is not is_online:
            await asyncio.sleep(0.05)


async def state_of(call: Call) -> Call:
    with scopes_disabled():
        return await Call.objects.aget(pk=call.pk)


async def test_it_is_called_heard_and_recorded_and_called_again_over_the_same_connection(
    web: Web,
    media: MediaProgram,
    cast: Cast,
    door: tuple[Device, str],
    tmp_path: Path,
    settings: LazySettings,
) -> None:
    device, token = door
    async with ForeignDevice(web.url, token, tmp_path / "door", hz=DOOR_HZ) as foreign:
        await foreign.tells("state", state="connected")
        await online(device)
        await asyncio.sleep(1.0)
        for _ in range(2):
            files_before = set(Path(settings.RECORDINGS_ROOT).rglob("*.ogg*"))
            call, leg = await call_of(cast, device)
            async with Phone(leg, says_hz=CALLER_HZ, hears_hz=DOOR_HZ) as anna:
                began_s = time.monotonic()
                await anna.connect()
                await anna.wait_heard(began_s)
                assert level_db(await foreign.hears(CALLER_HZ), DOOR_HZ) < -40  # not itself
                await asyncio.sleep(1.0)
                assert (await state_of(call)).state == CallState.CONNECTED
            await hang_up(call)
            tones = await recorded(call)
            assert loudest_hz(tones["callee"]) == pytest.approx(DOOR_HZ, abs=3)
            assert loudest_hz(tones["caller"]) == pytest.approx(CALLER_HZ, abs=3)
            # Nothing from before the call: the two files of a call are as long as it was.
            length_s = (await state_of(call)).duration_s
            assert tones["callee"].size / RATE == pytest.approx(length_s, abs=0.5)
            files = set(Path(settings.RECORDINGS_ROOT).rglob("*.ogg*")) - files_before
            assert len(files) == 2
            await online(device)
        assert len([told for told in foreign.told if told["event"] == "posted"]) == 1
        await foreign.hang_up()
        assert (await foreign.tells("deleted"))["status"] == 200
        await online(device, False)


async def test_one_that_only_speaks_and_trickles_its_addresses_is_heard(
    web: Web, media: MediaProgram, cast: Cast, door: tuple[Device, str], tmp_path: Path
) -> None:
    device, token = door
    async with ForeignDevice(web.url, token, tmp_path / "door", "--trickle", "--sendonly") as foreign:
        assert (await foreign.tells("trickled"))["status"] == 204
        await online(device)
        _, leg = await call_of(cast, device)
        async with Phone(leg, says_hz=CALLER_HZ, hears_hz=DOOR_HZ) as anna:
            began_s = time.monotonic()
            await anna.connect()
            await anna.wait_heard(began_s)
        assert not [told for told in foreign.told if told["event"] == "hears"]


async def test_one_that_crashed_in_a_call_is_in_it_again_when_it_is_back(
    web: Web, media: MediaProgram, cast: Cast, door: tuple[Device, str], tmp_path: Path
) -> None:
    device, token = door
    first = ForeignDevice(web.url, token, tmp_path / "door", hz=DOOR_HZ)
    async with first:
        await online(device)
        call, leg = await call_of(cast, device)
        async with Phone(leg, says_hz=CALLER_HZ, hears_hz=DOOR_HZ) as anna:
            began_s = time.monotonic()
            await anna.connect()
            await anna.wait_heard(began_s)
            first.process.kill()
            await first.process.wait()
            again_s = time.monotonic() + 1.0
            async with ForeignDevice(web.url, token, tmp_path / "again", hz=DOOR_HZ) as second:
                await anna.wait_heard(again_s)
                await second.hears(CALLER_HZ)
                assert (await state_of(call)).is_live
                await hang_up(call)
                tones = await recorded(call)
    assert loudest_hz(tones["callee"]) == pytest.approx(DOOR_HZ, abs=3)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGTERM])
async def test_when_its_worker_is_gone_it_connects_again_and_is_back_in_the_call(
    fault: signal.Signals, web: Web, media: MediaProgram, cast: Cast, door: tuple[Device, str], tmp_path: Path
) -> None:
    device, token = door
    async with ForeignDevice(web.url, token, tmp_path / "door", hz=DOOR_HZ) as foreign:
        await online(device)
        call, leg = await call_of(cast, device)
        async with Phone(leg, says_hz=CALLER_HZ, hears_hz=DOOR_HZ) as anna:
            began_s = time.monotonic()
            await anna.connect()
            await anna.wait_heard(began_s)
            await foreign.hears(CALLER_HZ)
            await asyncio.to_thread(media.signal_worker, (await state_of(call)).worker_id, fault)
            await foreign.tells("posted", 2, status=201)
            await foreign.tells("state", 2, state="connected")
            await anna.wait_heard(time.monotonic())
            await foreign.hears(CALLER_HZ)
            assert (await state_of(call)).is_live
