"""Workers that die, hang or drain do not drop the call. Real processes, real sound, a real database."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant
from calls.services import call_accept, call_start
from tests.fakes.media_program import MediaProgram
from tests.fakes.phone import Phone
from tests.plugin_cast import Cast, device_go_online

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "media.log"


@pytest.fixture
def media(log: Path, cast: Cast) -> Iterator[MediaProgram]:
    with MediaProgram(processes=2, log=log) as media:
        yield media


def call_make(cast: Cast) -> tuple[Call, CallParticipant, CallParticipant]:
    with scopes_disabled():
        device_go_online(cast.kitchen)
        call = call_start(membership=cast.anna, device=cast.kitchen)
        call_accept(call=call)
        legs = CallParticipant.objects.filter(call=call).select_related("call", "household", "device")
        return call, legs.get(role="caller"), legs.get(role="callee")


@asynccontextmanager
async def talking(cast: Cast) -> AsyncIterator[tuple[Call, Phone, Phone]]:
    """A call in which both ends hear each other."""
    call, caller, callee = await sync_to_async(call_make)(cast)
    async with (
        Phone(caller, says_hz=440, hears_hz=1000) as anna,
        Phone(callee, says_hz=1000, hears_hz=440) as kitchen,
    ):
        began_s = time.monotonic()
        await asyncio.gather(anna.connect(), kitchen.connect())
        await asyncio.gather(anna.wait_heard(began_s), kitchen.wait_heard(began_s))
        await asyncio.sleep(1.0)
        yield call, anna, kitchen


async def call_now(call: Call) -> Call:
    with scopes_disabled():
        return await Call.objects.select_related("device", "household").aget(pk=call.pk)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_is_killed_or_hangs_takes_no_call_with_it(
    fault: signal.Signals, media: MediaProgram, cast: Cast, log: Path
) -> None:
    async with talking(cast) as (call, anna, kitchen):
        before = (await call_now(call)).worker_id
        fault_at_s = time.monotonic()
        await asyncio.to_thread(media.signal_worker, before, fault)
        await asyncio.sleep(0.3)
        back_s = [await phone.wait_heard(fault_at_s + 0.3) - fault_at_s for phone in (anna, kitchen)]
        assert max(back_s) < 8.0
        now = await call_now(call)
        assert now.worker_id != before
        assert (now.is_live, now.connected_at) == (True, (await call_now(call)).connected_at)
