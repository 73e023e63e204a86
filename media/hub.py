"""The worker's only door to Django: commands come in over the channel layer, news go to the services."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, OperationalError
from django_scopes import scopes_disabled
from prometheus_client import generate_latest
from redis.exceptions import RedisError

from calls.measurements import Way, quality_tell, samples_store
from calls.models import CallParticipant, Measurer, Recording
from calls.moves import calls_end, calls_move, calls_waiting_move, worker_dead
from calls.placement import CAPACITY, HEARTBEAT_S, LeaseWatch, worker_goodbye, worker_heartbeat, worker_list
from calls.recordings import recording_finalize, recording_start
from calls.selectors import calls_not_with, workers_with_calls
from calls.services import call_leg_joined, call_leg_left, call_leg_lost
from common.metrics import metrics_publish
from common.push import apush_channel, group_worker
from common.tasks import delay_now
from media.door import LegState, OpenedFile, RecordingFile
from media.stats import Judged, Measured
from protocol.errors import ErrorCode
from protocol.messages import Error, WebrtcAnswer
from protocol.worker import WorkerCommand, parse_command
from transcripts.tasks import capture_transcribe_task

log = structlog.get_logger(__name__)
# A restart of PostgreSQL takes seconds, and a lost "this end left" would keep a device busy for ever.
NEWS_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
CHECK_ROWS_EVERY = 5  # looks at the leases
T = TypeVar("T")


class HubLink:
    """`async with HubLink(id) as link`: a lease in Redis, the commands for this worker, and a look at the others."""

    def __init__(self, worker_id: str, *, capacity: int = CAPACITY) -> None:
        self.worker_id = worker_id
        self.door = HubDoor(worker_id)
        self._capacity = capacity
        self._leg_count = 0
        self._call_ids: tuple[str, ...] = ()
        self._is_draining = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "HubLink":
        self._layer = get_channel_layer()
        self._channel: str = await self._layer.new_channel()
        await self._layer.group_add(group_worker(self.worker_id), self._channel)
        await self._renew()
        self._tasks = [
            asyncio.create_task(self._heartbeat(), name="heartbeat"),
            asyncio.create_task(self._watch(), name="watch workers"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._layer.group_discard(group_worker(self.worker_id), self._channel)
            await asyncio.to_thread(worker_goodbye, worker_id=self.worker_id)
        except RedisError:
            log.warning("lease left to run out: Redis is away")

    def report(self, *, leg_count: int, call_ids: Iterable[str]) -> None:
        """What the next heartbeat says."""
        self._leg_count, self._call_ids = leg_count, tuple(call_ids)

    async def commands(self) -> AsyncIterator[WorkerCommand]:
        """Never ends; survives Redis going away."""
        while True:
            event = await self._layer.receive(self._channel)
            yield parse_command(event["text"])

    # Other workers, and the end of this one

    async def worker_dead(self, worker_id: str) -> None:
        """The process of that worker has ended."""
        await _tell(_worker_dead, worker_id)

    async def tell_metrics(self) -> None:
        """The numbers of this process, for whoever asks the hub's /metrics."""
        try:
            await asyncio.to_thread(metrics_publish, f"media:{self.worker_id}", generate_latest())
        except RedisError:
            log.warning("metrics_not_told")

    async def drain(self) -> None:
        """No new calls from now on."""
        self._is_draining = True
        await self._renew()

    async def move_calls(self) -> None:
        """To other workers, if there are any."""
        await _tell(_calls_move, self.worker_id)

    async def end_calls(self) -> None:
        """Those that are left, with notice."""
        await _tell(_calls_end, self.worker_id)

    async def strays(self, call_ids: Iterable[str]) -> dict[str, bool]:
        """Of these calls, those that are not this worker's: True has ended, False is with another worker."""
        ids = list(call_ids)
        if not ids:
            return {}
        try:
            strays: dict[str, bool] = await database_sync_to_async(_strays)(ids, self.worker_id)
        except DatabaseError:
            return {}
        return strays

    async def _renew(self) -> None:
        try:
            await asyncio.to_thread(
                worker_heartbeat,
                worker_id=self.worker_id,
                leg_count=self._leg_count,
                capacity=self._capacity,
                call_ids=self._call_ids,
                is_draining=self._is_draining,
            )
        except RedisError:
            log.warning("no heartbeat: Redis is away")

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self._renew()

    async def _watch(self) -> None:
        """Calls of a worker whose lease ran out, with the host that it ran on, move here or elsewhere."""
        watch = LeaseWatch(self.worker_id)
        looks = 0
        while True:
            if looks % CHECK_ROWS_EVERY == 0:
                watch.expect(await _ask(workers_with_calls, set()))
                await _ask(_calls_waiting_move, None)
            looks += 1
            for worker_id in watch.look(await asyncio.to_thread(_leases), time.monotonic()):
                log.warning("media_worker_lost", worker_id=worker_id)
                await _tell(_calls_move, worker_id)
            await asyncio.sleep(HEARTBEAT_S)


class HubDoor:
    """media.door.Door over Django. News wait for a database that restarts; see NEWS_WAITS_S."""

    def __init__(self, worker_id: str) -> None:
        self._worker_id = worker_id

    async def answer(
        self, *, reply_channel: str, request_id: str | None, call_id: UUID | None, sdp: str
    ) -> None:
        await apush_channel(reply_channel, WebrtcAnswer(sdp=sdp, call_id=call_id, reply_to=request_id))

    async def error(
        self, *, reply_channel: str, request_id: str | None, code: ErrorCode, message: str
    ) -> None:
        await apush_channel(reply_channel, Error(code=code, message=message, reply_to=request_id))

    async def leg_state(
        self,
        *,
        leg_id: UUID,
        call_id: UUID | None,
        participant_id: UUID | None,
        state: LegState,
        reason: str = "",
    ) -> None:
        if participant_id is None:
            return
        if state is LegState.CONNECTED:
            await _tell(_leg_joined, participant_id)
        elif state is LegState.LOST:
            await _tell(_leg_lost, participant_id, self._worker_id)
        elif state is LegState.CLOSED:
            await _tell(_leg_left, participant_id, reason, self._worker_id)

    async def leg_measured(self, *, participant_id: UUID, measured: Measured) -> None:
        await _tell(_leg_measured, participant_id, measured)

    async def leg_judged(self, *, participant_id: UUID, judged: Judged) -> None:
        await _tell(_leg_judged, participant_id, judged, self._worker_id)

    async def recording_started(self, file: OpenedFile) -> None:
        await _tell(_recording_started, file, self._worker_id)

    async def recording_finished(self, recording: RecordingFile) -> None:
        await _tell(_recording_finished, recording, self._worker_id)

    async def capture_finished(
        self, *, reply_channel: str, request_id: str | None, path: Path, duration_s: float, language: str
    ) -> None:
        order = (str(path), language, reply_channel, request_id)
        if not await asyncio.to_thread(delay_now, capture_transcribe_task, *order):
            await asyncio.to_thread(path.unlink, missing_ok=True)
            await self.error(
                reply_channel=reply_channel,
                request_id=request_id,
                code=ErrorCode.INTERNAL,
                message="The hub cannot write down speech right now. Try again in a moment.",
            )


async def _tell(function: Callable[..., object], *args: Any) -> None:
    def run() -> None:
        with scopes_disabled():
            function(*args)

    for wait_s in (*NEWS_WAITS_S, None):
        try:
            await database_sync_to_async(run)()
        except (OperationalError, RedisError):
            if wait_s is None:
                log.exception("the hub could not be told", what=function.__name__)
                return
            await asyncio.sleep(wait_s)
        except (DatabaseError, ObjectDoesNotExist):
            log.exception("the hub could not be told", what=function.__name__)
            return
        else:
            return


async def _ask(function: Callable[[], T], otherwise: T) -> T:
    """What it returns; `otherwise` while the database or Redis is away."""

    def run() -> T:
        with scopes_disabled():
            return function()

    try:
        found: T = await database_sync_to_async(run)()
    except (DatabaseError, RedisError):
        return otherwise
    return found


def _leases() -> set[str] | None:
    """Ids of the workers that hold one; None while Redis is away."""
    try:
        return {worker.worker_id for worker in worker_list()}
    except RedisError:
        return None


def _worker_dead(worker_id: str) -> None:
    worker_dead(worker_id=worker_id)


def _calls_move(worker_id: str) -> None:
    calls_move(worker_id=worker_id)


def _calls_end(worker_id: str) -> None:
    calls_end(worker_id=worker_id)


def _calls_waiting_move() -> None:
    calls_waiting_move()


def _strays(call_ids: list[str], worker_id: str) -> dict[str, bool]:
    with scopes_disabled():
        return calls_not_with(call_ids, worker_id=worker_id)


def _participant(public_id: UUID) -> CallParticipant:
    return CallParticipant.objects.select_related("call__device", "call__household", "household").get(
        public_id=public_id
    )


def _leg_joined(public_id: UUID) -> None:
    call_leg_joined(leg=_participant(public_id))


def _leg_lost(public_id: UUID, worker_id: str) -> None:
    call_leg_lost(leg=_participant(public_id), worker_id=worker_id)


def _leg_left(public_id: UUID, reason: str, worker_id: str) -> None:
    call_leg_left(leg=_participant(public_id), reason=reason, worker_id=worker_id)


def _leg_measured(public_id: UUID, measured: Measured) -> None:
    samples_store(
        leg=_participant(public_id),
        measurer=Measurer.HUB,
        started_at=datetime.fromtimestamp(measured.started_at_s, tz=UTC),
        samples=measured.samples,
        way=Way(codec=measured.codec, path=measured.path),
    )


def _leg_judged(public_id: UUID, judged: Judged, worker_id: str) -> None:
    leg = _participant(public_id)
    # After a move the first worker hears nothing any more, which is not the fault of the connection.
    if leg.call.worker_id == worker_id:
        quality_tell(leg=leg, measurer=Measurer.HUB, bars=judged.bars, lost=judged.lost)


def _recording_started(file: OpenedFile, worker_id: str) -> Recording:
    return recording_start(
        participant=_participant(file.participant_id),
        name=file.name,
        started_at_s=file.started_at_s,
        key=file.key,
        worker_id=worker_id,
    )


def _recording_finished(file: RecordingFile, worker_id: str) -> None:
    # The news of its start may have been lost while the database was away.
    recording_finalize(
        recording=_recording_started(file, worker_id),
        started_at_s=file.started_at_s,
        duration_s=file.duration_s,
        size_bytes=file.size_bytes,
        packets_lost=file.packets_lost,
    )
