"""The worker's door to Django: its news go to the services. `media.lease` is the other half."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, OperationalError
from redis.exceptions import RedisError

from calls.ending.services import call_leg_left
from calls.models import CallParticipant, Measurer, Recording
from calls.quality.live import quality_tell
from calls.quality.measurements import Way, samples_store
from calls.recording.services import recording_finalize, recording_start
from calls.services import call_leg_joined, call_leg_lost
from calls.workers.ends import legs_heard
from calls.workers.whip import whip_closed, whip_heard
from common.push import apush_channel
from common.tasks import delay_now, in_household_of, over_all_households
from devices.identity.login import device_key_refused, device_keys
from devices.services import device_echo_measured
from media.door import LegState, OpenedFile, RecordingFile
from media.stats import Judged, Measured
from protocol.errors import ErrorCode
from protocol.messages.connection import WebrtcAnswer
from protocol.messages.socket import Error
from transcripts.tasks import capture_transcribe_task

log = structlog.get_logger(__name__)
# A restart of PostgreSQL takes seconds, and a lost "this end left" would keep a device busy for ever.
NEWS_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
FIRST_LOOK_AGAIN_S, LOOK_AGAIN_S = 0.1, 2.0  # for the keys of an end that wants to connect meanwhile


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
            await tell(_leg_joined, participant_id, self._worker_id)
        elif state is LegState.LOST:
            await tell(_leg_lost, participant_id, self._worker_id)
        elif state is LegState.CLOSED:
            await tell(_leg_left, participant_id, reason, self._worker_id)

    async def leg_keys(self, *, call_id: UUID | None, participant_id: UUID | None) -> frozenset[str] | None:
        if call_id is None or participant_id is None:
            return None if call_id is participant_id else frozenset()
        wait_s = FIRST_LOOK_AGAIN_S
        while True:
            try:
                keys: frozenset[str] | None = await database_sync_to_async(_leg_keys)(participant_id, call_id)
            except ObjectDoesNotExist:
                return frozenset()
            except DatabaseError:
                log.warning("the keys of a participant could not be read")
            else:
                return keys
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LOOK_AGAIN_S)

    async def key_refused(self, *, participant_id: UUID) -> None:
        await tell(_key_refused, participant_id)

    async def legs_heard(self, heard: dict[UUID, bool]) -> None:
        await tell(_legs_heard, heard, self._worker_id)

    async def standing_state(self, *, leg_id: UUID, state: LegState) -> None:
        if state is LegState.CONNECTED:
            await tell(_standing_heard, leg_id, self._worker_id)
        elif state is LegState.CLOSED:
            await tell(_standing_closed, leg_id, self._worker_id)

    async def leg_measured(self, *, participant_id: UUID, measured: Measured) -> None:
        await tell(_leg_measured, participant_id, measured)

    async def leg_judged(self, *, participant_id: UUID, judged: Judged) -> None:
        await tell(_leg_judged, participant_id, judged, self._worker_id)

    async def recording_started(self, file: OpenedFile) -> None:
        await tell(_recording_started, file.participant_id, file, self._worker_id)

    async def recording_finished(self, recording: RecordingFile) -> None:
        await tell(_recording_finished, recording.participant_id, recording, self._worker_id)

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


async def tell(function: Callable[..., object], *args: Any) -> None:
    """Run it in a thread, again while the database or Redis is away. Never raises.

    It says whose rows it needs, as a Celery task does: see common.tasks.
    """
    for wait_s in (*NEWS_WAITS_S, None):
        try:
            await database_sync_to_async(function)(*args)
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


def _participant(public_id: UUID) -> CallParticipant:
    return CallParticipant.objects.select_related("call__device", "call__household", "household").get(
        public_id=public_id
    )


@in_household_of("calls.CallParticipant")
def _leg_keys(public_id: UUID, call_id: UUID) -> frozenset[str] | None:
    """Raises DoesNotExist where there is no such participant in that call."""
    legs = CallParticipant.objects.select_related("device")
    leg = legs.get(public_id=public_id, call__public_id=call_id)
    return None if leg.device is None else device_keys(leg.device)


@in_household_of("calls.CallParticipant")
def _key_refused(public_id: UUID) -> None:
    leg = _participant(public_id)
    if leg.device is not None:
        device_key_refused(device=leg.device, call_id=leg.call.public_id)


@in_household_of("calls.CallParticipant")
def _leg_joined(public_id: UUID, worker_id: str) -> None:
    call_leg_joined(leg=_participant(public_id), worker_id=worker_id)


@in_household_of("calls.CallParticipant")
def _leg_lost(public_id: UUID, worker_id: str) -> None:
    call_leg_lost(leg=_participant(public_id), worker_id=worker_id)


@in_household_of("calls.CallParticipant")
def _leg_left(public_id: UUID, reason: str, worker_id: str) -> None:
    call_leg_left(leg=_participant(public_id), reason=reason, worker_id=worker_id)


@over_all_households
def _legs_heard(heard: dict[UUID, bool], worker_id: str) -> None:
    legs_heard(worker_id=worker_id, heard=heard)


@in_household_of("devices.Device")
def _standing_heard(leg_id: UUID, worker_id: str) -> None:
    whip_heard(device_id=leg_id, worker_id=worker_id)


@in_household_of("devices.Device")
def _standing_closed(leg_id: UUID, worker_id: str) -> None:
    whip_closed(device_id=leg_id, worker_id=worker_id)


@in_household_of("calls.CallParticipant")
def _leg_measured(public_id: UUID, measured: Measured) -> None:
    leg = _participant(public_id)
    samples_store(
        leg=leg,
        measurer=Measurer.HUB,
        started_at=datetime.fromtimestamp(measured.started_at_s, tz=UTC),
        samples=measured.samples,
        way=Way(codec=measured.codec, path=measured.path),
    )
    removed = measured.echo_return_loss_enhancement
    if removed is not None and leg.device is not None:
        device_echo_measured(device=leg.device, echo_return_loss_enhancement=removed)


@in_household_of("calls.CallParticipant")
def _leg_judged(public_id: UUID, judged: Judged, worker_id: str) -> None:
    leg = _participant(public_id)
    # After a move the first worker hears nothing any more, which is not the fault of the connection.
    if leg.call.worker_id == worker_id:
        quality_tell(leg=leg, measurer=Measurer.HUB, bars=judged.bars, lost=judged.lost)


@in_household_of("calls.CallParticipant")
def _recording_started(public_id: UUID, file: OpenedFile, worker_id: str) -> Recording:
    return recording_start(
        participant=_participant(public_id),
        name=file.name,
        started_at_s=file.started_at_s,
        key=file.key,
        worker_id=worker_id,
    )


@in_household_of("calls.CallParticipant")
def _recording_finished(public_id: UUID, file: RecordingFile, worker_id: str) -> None:
    # The news of its start may have been lost while the database was away.
    recording_finalize(
        recording=_recording_started(public_id, file, worker_id),
        started_at_s=file.started_at_s,
        duration_s=file.duration_s,
        size_bytes=file.size_bytes,
        packets_lost=file.packets_lost,
    )
