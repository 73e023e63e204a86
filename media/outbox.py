"""What is told to the hub, one thing after the other, so that states arrive in their order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from media.connection.keyed import Keys
from media.door import Door, LegState, RecordingFile
from media.leg import Leg
from media.recording.voicefile import FinishedFile
from media.session import StartedRecording
from media.stats import Judged, Measured
from media.supervise import Supervisor, log_failure
from protocol.errors import ErrorCode
from protocol.worker import CaptureStart, CaptureStop, LegJoin, LegOffer, PlayClip, ToneStart

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 1024
FLUSH_S: Final = 5.0
_ABSENT: Final = "The device is not connected any more."

Request = LegOffer | ToneStart | PlayClip | CaptureStart | CaptureStop
_Call = Callable[[], Awaitable[None]]


class _Queue:
    """A bounded queue of calls of the door, and the task that makes them."""

    def __init__(self, tasks: Supervisor, *, name: str) -> None:
        self._calls: asyncio.Queue[_Call] = asyncio.Queue(maxsize=MAX_WAITING)
        self.dropped = 0
        tasks.spawn(self._run(), name=name)

    def put(self, call: _Call) -> None:
        try:
            self._calls.put_nowait(call)
        except asyncio.QueueFull:
            self.dropped += 1
            log.error("hub_not_told", dropped=self.dropped)

    async def join(self) -> None:
        await self._calls.join()

    async def _run(self) -> None:
        while True:
            call = await self._calls.get()
            try:
                await call()
            except Exception as error:  # noqa: BLE001 - the next news must still be told
                log_failure("door_failed", error)
            finally:
                self._calls.task_done()


class Outbox:
    """Everything that the worker says. Nothing here waits; `flush` waits for the hub.

    Answers must not wait for the database, so news of legs and recordings have a queue of their own.
    """

    def __init__(self, door: Door, tasks: Supervisor) -> None:
        self._door = door
        self._replies = _Queue(tasks, name="replies")
        self._news = _Queue(tasks, name="news")
        self._heard_waits = False

    def answer(self, request: LegOffer, sdp: str) -> None:
        self._replies.put(
            partial(
                self._door.answer,
                reply_channel=request.reply_channel,
                request_id=request.request_id,
                call_id=request.call_id,
                sdp=sdp,
            )
        )

    def refuse(self, request: Request, code: ErrorCode, message: str) -> None:
        self._replies.put(
            partial(
                self._door.error,
                reply_channel=request.reply_channel,
                request_id=request.request_id,
                code=code,
                message=message,
            )
        )

    def captured(self, request: CaptureStop, file: FinishedFile) -> None:
        self._replies.put(
            partial(
                self._door.capture_finished,
                reply_channel=request.reply_channel,
                request_id=request.request_id,
                path=file.path,
                duration_s=file.duration_s,
                language=request.language,
            )
        )

    def state(self, leg: Leg, state: LegState, reason: str) -> None:
        self._news.put(
            partial(
                self._door.leg_state,
                leg_id=leg.leg_id,
                call_id=leg.call_id,
                participant_id=leg.participant_id,
                state=state,
                reason=reason,
            )
        )

    async def keys_of(self, leg: Leg) -> Keys:
        """The one thing that is asked, and not told."""
        return await self._door.leg_keys(call_id=leg.call_id, participant_id=leg.participant_id)

    def key_refused(self, leg: Leg) -> None:
        if leg.participant_id is not None:
            self._news.put(partial(self._door.key_refused, participant_id=leg.participant_id))

    def heard(self, legs: Iterable[Leg]) -> None:
        """Which legs of calls are heard now, in its place among the news. Left out while the last one waits."""
        heard = {leg.participant_id: leg.state is LegState.CONNECTED for leg in legs if leg.participant_id}
        if heard and not self._heard_waits:
            self._heard_waits = True
            self._news.put(partial(self._tell_heard, heard))

    async def _tell_heard(self, heard: dict[UUID, bool]) -> None:
        self._heard_waits = False
        await self._door.legs_heard(heard)

    def absent(self, command: LegJoin) -> None:
        """The leg that was to take part in a call is not here."""
        self._news.put(
            partial(
                self._door.leg_state,
                leg_id=command.leg_id,
                call_id=command.call_id,
                participant_id=command.participant_id,
                state=LegState.CLOSED,
                reason=_ABSENT,
            )
        )

    def standing(self, leg: Leg, state: LegState) -> None:
        if leg.is_standing:
            self._news.put(partial(self._door.standing_state, leg_id=leg.leg_id, state=state))

    def measured(self, leg: Leg, measured: Measured | None) -> None:
        if leg.participant_id is not None and measured is not None:
            self._news.put(
                partial(self._door.leg_measured, participant_id=leg.participant_id, measured=measured)
            )

    def judged(self, leg: Leg, judged: Judged | None) -> None:
        if leg.participant_id is not None and judged is not None:
            self._news.put(partial(self._door.leg_judged, participant_id=leg.participant_id, judged=judged))

    def recordings_started(self, recordings: list[StartedRecording]) -> None:
        for started in recordings:
            self._news.put(partial(self._door.recording_started, started.file))

    def recordings_finished(self, recordings: list[RecordingFile]) -> None:
        for recording in recordings:
            self._news.put(partial(self._door.recording_finished, recording))

    async def flush(self) -> None:
        """Wait until everything was told, but not for ever: the hub may be gone."""
        try:
            await asyncio.wait_for(asyncio.gather(self._replies.join(), self._news.join()), FLUSH_S)
        except TimeoutError:
            log.error("hub_not_told_at_the_end")
