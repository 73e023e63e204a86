"""The worker's only door to Django: commands come in over the channel layer, news go to the services."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, OperationalError
from django_scopes import scopes_disabled
from redis.exceptions import RedisError

from calls.measurements import Way, quality_tell, samples_store
from calls.models import CallParticipant, Measurer
from calls.placement import HEARTBEAT_S, worker_goodbye, worker_heartbeat
from calls.recordings import recording_finalize, recording_start
from calls.services import call_leg_joined, call_leg_left, call_leg_lost
from common.push import apush_channel, group_worker
from common.tasks import delay_now
from media.door import LegState, RecordingFile
from media.stats import Judged, Measured
from protocol.errors import ErrorCode
from protocol.messages import Error, WebrtcAnswer
from protocol.worker import WorkerCommand, parse_command
from transcripts.tasks import capture_transcribe_task

log = structlog.get_logger(__name__)
# A restart of PostgreSQL takes seconds, and a lost "this end left" would keep a device busy for ever.
NEWS_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)


class HubLink:
    """`async with HubLink(id) as link`: a lease in Redis, and the commands for this worker."""

    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        self.door = HubDoor()
        self._leg_count = 0
        self._beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "HubLink":
        self._layer = get_channel_layer()
        self._channel: str = await self._layer.new_channel()
        await self._layer.group_add(group_worker(self.worker_id), self._channel)
        self._beat = asyncio.create_task(self._heartbeat(), name="heartbeat")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beat is not None:
            self._beat.cancel()
        try:
            await self._layer.group_discard(group_worker(self.worker_id), self._channel)
            await asyncio.to_thread(worker_goodbye, worker_id=self.worker_id)
        except RedisError:
            log.warning("lease left to run out: Redis is away")

    def report_load(self, leg_count: int) -> None:
        self._leg_count = leg_count

    async def commands(self) -> AsyncIterator[WorkerCommand]:
        """Never ends; survives Redis going away."""
        while True:
            event = await self._layer.receive(self._channel)
            yield parse_command(event["text"])

    async def _heartbeat(self) -> None:
        while True:
            try:
                await asyncio.to_thread(worker_heartbeat, worker_id=self.worker_id, leg_count=self._leg_count)
            except RedisError:
                log.warning("no heartbeat: Redis is away")
            await asyncio.sleep(HEARTBEAT_S)


class HubDoor:
    """media.door.Door over Django. News wait for a database that restarts; see NEWS_WAITS_S."""

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
            await _tell(_leg_lost, participant_id)
        elif state is LegState.CLOSED:
            await _tell(_leg_left, participant_id, reason)

    async def leg_measured(self, *, participant_id: UUID, measured: Measured) -> None:
        await _tell(_leg_measured, participant_id, measured)

    async def leg_judged(self, *, participant_id: UUID, judged: Judged) -> None:
        await _tell(_leg_judged, participant_id, judged)

    async def recording_started(self, *, call_id: UUID, participant_id: UUID, name: str) -> None:
        await _tell(_recording_started, participant_id, name)

    async def recording_finished(self, recording: RecordingFile) -> None:
        await _tell(_recording_finished, recording)

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


async def _tell(function: Callable[..., None], *args: Any) -> None:
    def run() -> None:
        with scopes_disabled():
            function(*args)

    for wait_s in (*NEWS_WAITS_S, None):
        try:
            await database_sync_to_async(run)()
        except OperationalError:
            if wait_s is None:
                log.exception("the hub could not be told", what=function.__name__)
                return
            await asyncio.sleep(wait_s)
        except (DatabaseError, ObjectDoesNotExist):
            log.exception("the hub could not be told", what=function.__name__)
            return
        else:
            return


def _participant(public_id: UUID) -> CallParticipant:
    return CallParticipant.objects.select_related("call__device", "call__household", "household").get(
        public_id=public_id
    )


def _leg_joined(public_id: UUID) -> None:
    call_leg_joined(leg=_participant(public_id))


def _leg_lost(public_id: UUID) -> None:
    call_leg_lost(leg=_participant(public_id))


def _leg_left(public_id: UUID, reason: str) -> None:
    call_leg_left(leg=_participant(public_id), reason=reason)


def _leg_measured(public_id: UUID, measured: Measured) -> None:
    samples_store(
        leg=_participant(public_id),
        measurer=Measurer.HUB,
        started_at=datetime.fromtimestamp(measured.started_at_s, tz=UTC),
        samples=measured.samples,
        way=Way(codec=measured.codec, path=measured.path),
    )


def _leg_judged(public_id: UUID, judged: Judged) -> None:
    quality_tell(leg=_participant(public_id), measurer=Measurer.HUB, bars=judged.bars, lost=judged.lost)


def _recording_started(public_id: UUID, name: str) -> None:
    recording_start(participant=_participant(public_id), name=name)


def _recording_finished(file: RecordingFile) -> None:
    # The news of its start may have been lost while the database was away.
    recording_finalize(
        recording=recording_start(participant=_participant(file.participant_id), name=file.name),
        started_at_s=file.started_at_s,
        duration_s=file.duration_s,
        size_bytes=file.size_bytes,
        packets_lost=file.packets_lost,
    )
