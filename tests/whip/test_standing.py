"""A foreign device's standing connection: calls that take it in, workers that die, sessions that end."""

from datetime import timedelta
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant, WhipSession
from calls.services import call_leg_joined
from calls.sweep import calls_sweep
from calls.workers.moves import call_relocate
from calls.workers.whip import _of_worker, whip_session_end, whip_touch, whip_worker_died
from common.clock import now
from common.errors import DeviceOffline
from common.push import group_worker
from protocol.messages.calls import CallOutcome, CallState
from protocol.worker import LegClose, LegJoin
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.whip.door import Door, called, heard, is_online, next_of

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def test_a_call_takes_the_waiting_connection_in_without_ringing(cast: Cast, door: Door) -> None:
    async with FakeWorker() as worker:
        await door.connect(worker)
        await heard(door)
        async with FakeWorker("another-worker"):  # would be chosen for any other call
            call = await called(cast, door)
        assert (call.state, call.worker_id) == (CallState.CONNECTING, worker.worker_id)
        join = await next_of(worker, LegJoin)
    with scopes_disabled():
        leg = await CallParticipant.objects.aget(call=call, role="callee")
    assert (join.leg_id, join.call_id, join.participant_id) == (
        door.device.public_id,
        call.public_id,
        leg.public_id,
    )
    assert join.recording_name


async def test_a_device_that_is_not_connected_is_offline(cast: Cast, door: Door) -> None:
    async with FakeWorker() as worker:
        with pytest.raises(DeviceOffline):
            await called(cast, door)
        await door.connect(worker)
        with pytest.raises(DeviceOffline):  # answered, but nothing was heard of it
            await called(cast, door)


async def test_a_device_that_comes_back_in_its_call_is_in_it_again(cast: Cast, door: Door) -> None:
    async with FakeWorker() as worker:
        await door.connect(worker)
        await heard(door)
        call = await called(cast, door)
        await next_of(worker, LegJoin)
        await door.connect(worker)
        assert (await next_of(worker, LegJoin)).call_id == call.public_id


async def test_when_its_call_moves_the_device_is_let_go_and_comes_to_the_new_worker(
    cast: Cast, door: Door
) -> None:
    async with FakeWorker("first") as first:
        await door.connect(first)
        await heard(door, "first")
        call = await called(cast, door)
        await next_of(first, LegJoin)
        async with FakeWorker("second") as second:
            assert await sync_to_async(moved)(call)
            assert (await next_of(first, LegClose)).leg_id == door.device.public_id
            assert not await is_online(door)
            await door.connect(second)
            assert (await next_of(second, LegJoin)).call_id == call.public_id


def moved(call: Call) -> bool:
    with scopes_disabled():
        return call_relocate(call=Call.objects.select_related("device", "household").get(pk=call.pk))


async def test_a_call_whose_device_never_comes_back_ends(cast: Cast, door: Door) -> None:
    @sync_to_async
    def a_minute_later() -> Call:
        with scopes_disabled():
            for leg in CallParticipant.objects.select_related("call__device", "call__household"):
                call_leg_joined(leg=leg, worker_id=leg.call.worker_id)
            whip_worker_died(worker_id="first")
            assert call_relocate(call=Call.objects.select_related("device", "household").get(pk=call.pk))
            calls_sweep()
            assert Call.objects.get(pk=call.pk).is_live
            callee = CallParticipant.objects.filter(call=call, role="callee")
            callee.update(awaited_at=now() - timedelta(seconds=61))
            calls_sweep()
            return Call.objects.get(pk=call.pk)

    async with FakeWorker("first") as first:
        await door.connect(first)
        await heard(door, "first")
        call = await called(cast, door)
        async with FakeWorker("second"):
            over = await a_minute_later()
    assert (over.is_live, over.outcome) == (False, CallOutcome.ANSWERED)
    assert over.reason == "The connection to Front door was lost and did not come back."


async def test_the_devices_of_a_worker_that_died_are_offline(door: Door) -> None:
    @sync_to_async
    def died() -> None:
        with scopes_disabled():
            whip_worker_died(worker_id="fake-worker")

    async with FakeWorker() as worker:
        await door.connect(worker)
        await heard(door)
        await died()
    assert not await is_online(door)


async def test_a_worker_is_told_which_devices_it_should_not_have(door: Door) -> None:
    @sync_to_async
    def touch(worker_id: str) -> list[UUID]:
        with scopes_disabled():
            return whip_touch(device_ids=[door.device.public_id], worker_id=worker_id)

    async with FakeWorker() as worker:
        await door.connect(worker)
        assert await touch(worker.worker_id) == []
        assert await is_online(door)
        assert await touch("another") == [door.device.public_id]
        assert await is_online(door)


async def test_a_session_whose_worker_nobody_has_seen_for_long_ends(door: Door) -> None:
    @sync_to_async
    def later() -> None:
        with scopes_disabled():
            WhipSession.objects.update(started_at=now() - timedelta(minutes=1))
            calls_sweep()

    async with FakeWorker() as worker:
        await door.connect(worker)
        await heard(door)
        await later()
        assert await is_online(door)
    await later()
    assert not await is_online(door)


async def test_a_device_that_hangs_up_while_its_worker_tells_of_it_stays_offline(
    cast: Cast, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_then_ended(device_id: UUID, worker_id: str) -> WhipSession | None:
        session = _of_worker(device_id, worker_id)
        assert session is not None
        whip_session_end(session=session)
        return session

    async with FakeWorker() as worker:
        await door.connect(worker)
        monkeypatch.setattr("calls.workers.whip._of_worker", read_and_then_ended)
        await heard(door)
        assert not await is_online(door)


async def test_a_device_that_hangs_up_while_its_worker_counts_those_it_hears_stays_offline(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_then_ended(worker_id: str) -> str:
        monkeypatch.setattr("calls.workers.whip.group_worker", group_worker)
        for session in WhipSession.objects.select_related("device__household"):
            whip_session_end(session=session)
        return group_worker(worker_id)

    @sync_to_async
    def touch(worker_id: str) -> list[UUID]:
        with scopes_disabled():
            return whip_touch(device_ids=[door.device.public_id], worker_id=worker_id)

    async with FakeWorker() as worker:
        await door.connect(worker)
        await heard(door)
        monkeypatch.setattr(
            "calls.workers.whip.group_worker", read_and_then_ended
        )  # asked for when the rows are read
        assert await touch(worker.worker_id) == []
        assert not await is_online(door)
