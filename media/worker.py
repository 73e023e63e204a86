"""The worker: takes the hub's commands, holds the legs and calls, and tells the hub what happens."""

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import structlog

from media.connection.candidates import AddressPolicy, AddressRules
from media.connection.sdp import BadSdpError
from media.door import Door, LegState
from media.leg import Leg, Limits
from media.measuring import Measuring
from media.outbox import Outbox, Request
from media.packets import MicPacket
from media.recording.recorder import FileThread, Recorder, free_path
from media.session import CallSession
from media.sound.player import ClipError, ClipPlayer
from media.stats import LegStats
from media.supervise import Supervisor, log_failure
from protocol.errors import ErrorCode
from protocol.worker import (
    CallClose,
    CaptureStart,
    CaptureStop,
    LegCandidate,
    LegClose,
    LegGain,
    LegJoin,
    LegOffer,
    PlayClip,
    ToneStart,
    ToneStop,
    WorkerCommand,
)
from sound.echo.canceller import is_available
from turn.choice import ServerChoice

log = structlog.get_logger(__name__)

CHECK_S: Final = 0.25
CHECKED_AT_ONCE: Final = 4
MAX_CAPTURE_S: Final = 300.0
SERVERS_KNOWN_S: Final = 60.0
CHIME_HZ: Final = 880
CHIME_S: Final = 0.3
MAX_WAITING: Final = 64  # commands of one leg

_STOPS: Final = "the media worker stops"
_NO_CONNECTION: Final = "There is no connection. Connect first."


class MediaWorker:
    """All legs of one process; made inside a running loop.

    `handle` returns at once; the commands of one leg run in their order.

    `aclose` finishes every recording, also after a drain that ran out of time.
    """

    def __init__(
        self,
        door: Door,
        *,
        recordings_root: Path,
        captures_root: Path,
        limits: Limits | None = None,
        addresses: AddressRules | None = None,
    ) -> None:
        self._recordings_root = recordings_root
        self._captures_root = captures_root
        self._limits = limits or Limits()
        self._addresses = addresses or AddressRules()
        self._servers = ServerChoice(remembers_s=SERVERS_KNOWN_S)
        self._legs: dict[UUID, Leg] = {}
        self._sessions: dict[UUID, CallSession] = {}
        self._queues: dict[UUID, int] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}
        self._files = FileThread()
        self._tasks = Supervisor("media")
        self._outbox = Outbox(door, self._tasks)
        self._measuring = Measuring(self._outbox, self._legs.values)
        self._endings: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._closing: asyncio.Task[None] | None = None
        self._tasks.spawn(self._watch(), name="watch")
        self._tasks.spawn(self._measuring.run(), name="measure")

    @property
    def leg_count(self) -> int:
        return len(self._legs)

    @property
    def standing_ids(self) -> list[UUID]:
        """Of the standing legs that can be heard."""
        legs = self._legs.values()
        return [leg.leg_id for leg in legs if leg.is_standing and leg.state is LegState.CONNECTED]

    @property
    def call_ids(self) -> list[str]:
        """Of the calls that have a leg here."""
        return [str(call_id) for call_id in self._sessions]

    def stats(self) -> dict[UUID, LegStats]:
        return {leg_id: leg.stats() for leg_id, leg in self._legs.items()}

    async def handle(self, command: WorkerCommand) -> None:
        """Take a command. Never raises and does not wait for it."""
        key = command.call_id if isinstance(command, CallClose) else command.leg_id
        if self._queues.get(key, 0) >= MAX_WAITING:
            log.warning("command_dropped", command=command.type, key=str(key))
            return
        self._queues[key] = self._queues.get(key, 0) + 1
        if self._tasks.spawn(self._in_turn(key, command), name=command.type) is None:
            self._release(key)

    async def drain(self, timeout_s: float) -> None:
        """Take no new calls and wait until the present ones have gone, at most `timeout_s`."""
        self._draining = True
        for leg in [leg for leg in self._legs.values() if leg.is_standing and leg.call_id is None]:
            self._begin_ending(self._end_leg(leg, _STOPS))
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            log.warning("drain_timed_out", call_count=len(self._sessions))

    def tell_heard(self) -> None:
        """Say again which legs are heard: a word may have been lost, and a leg may never have come here."""
        self._outbox.heard(self._legs.values())

    async def close_call(self, call_id: str) -> None:
        """As the command does. Nothing for a call that is not here."""
        await self.handle(CallClose(call_id=UUID(call_id)))

    async def close_leg(self, leg_id: UUID) -> None:
        """As the command does. Nothing for a leg that is not here."""
        await self.handle(LegClose(leg_id=leg_id))

    async def aclose(self) -> None:
        """Close all legs and finish all files. The second caller waits for the first."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="media.close")
        await asyncio.shield(self._closing)

    # Commands

    async def _in_turn(self, key: UUID, command: WorkerCommand) -> None:
        try:
            async with self._locks.setdefault(key, asyncio.Lock()):
                await self._run(command)
        except Exception as error:
            log_failure("command_failed", error, command=command.type, key=str(key))
            if isinstance(command, Request):
                self._outbox.refuse(
                    command, ErrorCode.INTERNAL, "The media worker could not do this. Try again."
                )
        finally:
            self._release(key)

    def _release(self, key: UUID) -> None:
        self._queues[key] -= 1
        if not self._queues[key]:
            del self._queues[key]
            self._locks.pop(key, None)

    async def _run(self, command: WorkerCommand) -> None:
        match command:
            case LegOffer():
                await self._offer(command)
            case CallClose():
                await self._close_call(command.call_id)
            case _:
                leg = self._legs.get(command.leg_id)
                if leg is not None:
                    await self._run_for_leg(leg, command)
                elif isinstance(command, LegJoin):
                    self._outbox.absent(command)
                elif isinstance(command, Request):
                    self._outbox.refuse(command, ErrorCode.NO_CONNECTION, _NO_CONNECTION)

    async def _run_for_leg(self, leg: Leg, command: WorkerCommand) -> None:
        match command:
            case LegCandidate():
                self._candidate(leg, command)
            case LegClose():
                await self._end_leg(leg, command.reason)
            case LegJoin():
                await self._join(leg, command)
            case ToneStart():
                leg.track.start_tone(frequency_hz=command.frequency_hz)
            case ToneStop():
                leg.track.stop_tone()
            case PlayClip():
                await self._play(leg, command)
            case LegGain():
                if (session := self._session(leg)) is not None:
                    session.mixer.set_gain(leg.leg_id, command.gain_db)
            case CaptureStart():
                await self._capture_start(leg)
            case CaptureStop():
                await self._capture_stop(leg, command)

    async def _offer(self, command: LegOffer) -> None:
        if self._draining and command.call_id not in self._sessions:
            self._outbox.refuse(command, ErrorCode.NO_WORKER, "The media worker is stopping. Connect again.")
            return
        leg = self._legs.get(command.leg_id)
        if leg is not None and leg.call_id != command.call_id and not leg.is_standing:
            await self._end_leg(leg, "moved to another call")
            leg = None
        if leg is not None and command.request_id and leg.last_answer[0] == command.request_id:
            self._outbox.answer(command, leg.last_answer[1])  # the first one was lost on its way
            return
        is_new = leg is None
        leg = leg or self._make_leg(command)
        await self._cancel_echo(leg, command)
        try:
            addresses = AddressPolicy(scope=command.candidate_scope, rules=self._addresses)
            servers = await self._servers.choose(command.ice_servers)
            answer = await leg.answer(command.sdp, servers, addresses)
        except Exception as error:
            if is_new:
                await self._end_leg(leg, "bad offer", tell=False)
            if not isinstance(error, BadSdpError):
                raise
            self._outbox.refuse(command, ErrorCode.BAD_SDP, str(error))
            return
        leg.last_answer = (command.request_id or "", answer)
        if not leg.closed:
            self._outbox.answer(command, answer)

    async def _join(self, leg: Leg, command: LegJoin) -> None:
        """A second time, after a new offer: only the canceller is new."""
        if leg.call_id not in (None, command.call_id):
            await self._step_out(leg, "moved to another call")
        if leg.call_id is None:
            self._measuring.entered(leg)
            self._enter(leg, command)
            # Nothing else tells the room that somebody listens from now on. Only the room hears it.
            leg.track.start_tone(frequency_hz=CHIME_HZ, lasts_s=CHIME_S)
            if leg.state is not None:
                self._outbox.state(leg, leg.state, "")
                self._outbox.recordings_started(self._sessions[command.call_id].heard())
        await self._cancel_echo(leg, command)

    async def _cancel_echo(self, leg: Leg, command: LegOffer | LegJoin) -> None:
        """As the household chose; a new connection brings a new canceller, since its delay is another."""
        if command.echo_cancellation:
            await asyncio.to_thread(is_available)  # loads the library, which takes a second
        session = self._sessions.get(command.call_id) if command.call_id is not None else None
        if session is not None and not leg.closed:
            session.cancel_echo(leg, is_on=command.echo_cancellation)

    def _make_leg(self, command: LegOffer) -> Leg:
        leg = Leg(
            leg_id=command.leg_id,
            call_id=command.call_id,
            participant_id=command.participant_id,
            events=self,
            tasks=self._tasks,
            limits=self._limits,
            is_standing=command.is_standing,
        )
        self._legs[leg.leg_id] = leg
        self._enter(leg, command)
        return leg

    def _enter(self, leg: Leg, command: LegOffer | LegJoin) -> None:
        """The leg takes part in the call that the command names, if it names one."""
        if command.call_id is None:
            return
        session = self._sessions.get(command.call_id) or CallSession(
            command.call_id, recordings_root=self._recordings_root, files=self._files, tasks=self._tasks
        )
        self._sessions[command.call_id] = session
        self._empty.clear()
        leg.call_id, leg.participant_id = command.call_id, command.participant_id
        self._outbox.recordings_started(session.join(leg, recording_name=command.recording_name))

    def _candidate(self, leg: Leg, command: LegCandidate) -> None:
        try:
            leg.add_candidate(command.candidate, mid=command.sdp_mid, index=command.sdp_m_line_index)
        except BadSdpError:
            log.warning("candidate_refused", leg_id=str(leg.leg_id))

    async def _play(self, leg: Leg, command: PlayClip) -> None:
        session = self._session(leg)
        for listener in session.legs if session is not None else [leg]:
            try:
                clip = await ClipPlayer.open(Path(command.clip_path))
            except ClipError as error:
                self._outbox.refuse(command, ErrorCode.INTERNAL, str(error))
                return
            if listener.closed or not listener.track.play(clip):
                clip.close()
                if not listener.closed:
                    self._outbox.refuse(
                        command, ErrorCode.BUFFER_FULL, "Too many announcements wait in this connection."
                    )

    async def _capture_start(self, leg: Leg) -> None:
        previous, leg.capture = leg.capture, None
        if previous is not None:
            await previous.discard()
        path = free_path(self._captures_root, f"{leg.leg_id}-{uuid4().hex[:8]}.opus")
        if path is not None and not leg.closed:
            leg.capture = Recorder(self._files, path, started_at_s=time.monotonic(), max_s=MAX_CAPTURE_S)

    async def _capture_stop(self, leg: Leg, command: CaptureStop) -> None:
        capture, leg.capture = leg.capture, None
        if capture is None:
            self._outbox.refuse(command, ErrorCode.NO_CONNECTION, "The microphone was not started.")
            return
        finished = await capture.finish(ended_at_s=time.monotonic())
        if finished is None:
            self._outbox.refuse(command, ErrorCode.INTERNAL, "What was said could not be kept. Try again.")
            return
        self._outbox.captured(command, finished)

    # What legs tell (LegEvents)

    def leg_changed(self, leg: Leg, state: LegState, reason: str) -> None:
        self._outbox.state(leg, state, reason)
        self._outbox.standing(leg, state)
        if (session := self._session(leg)) is not None:
            self._outbox.recordings_started(session.heard())

    def leg_gone(self, leg: Leg, reason: str) -> None:
        if not leg.closed:
            self._begin_ending(self._end_leg(leg, reason))

    def leg_spoke(self, leg: Leg, packet: MicPacket) -> None:
        if (session := self._session(leg)) is not None:
            session.route(leg, packet)

    def only_listener(self, leg: Leg) -> Leg | None:
        session = self._session(leg)
        return None if session is None else session.only_listener(leg)

    # Endings

    def _begin_ending(self, ending: Awaitable[None]) -> None:
        async def run() -> None:
            await ending

        if (task := self._tasks.spawn(run(), name="end_leg")) is not None:
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    async def _end_leg(self, leg: Leg, reason: str, *, tell: bool = True) -> None:
        if leg.closed:
            return
        leg.detour()
        leg.closed = True
        if self._legs.get(leg.leg_id) is leg:
            del self._legs[leg.leg_id]
        self._measuring.left(leg)
        session = self._session(leg)
        if session is not None:
            session.leave(leg)
        if tell:
            self._outbox.state(leg, LegState.CLOSED, reason)
            self._outbox.standing(leg, LegState.CLOSED)
        capture, leg.capture = leg.capture, None
        if capture is not None:
            await capture.discard()
        await leg.aclose()
        if session is not None and not session.legs:
            await self._finish(session)

    async def _step_out(self, leg: Leg, reason: str) -> None:
        """A standing leg leaves its call and waits for the next one."""
        session = self._session(leg)
        self._measuring.parted(leg)
        self._outbox.state(leg, LegState.CLOSED, reason)
        if session is not None:
            session.leave(leg)
        leg.leave_call()
        if self._draining:
            await self._end_leg(leg, _STOPS)
        if session is not None and not session.legs:
            await self._finish(session)

    async def _close_call(self, call_id: UUID) -> None:
        session = self._sessions.get(call_id)
        if session is None:
            return
        ways = {True: self._step_out, False: self._end_leg}
        await asyncio.gather(*(ways[leg.is_standing](leg, "the call ended") for leg in session.legs))
        await self._finish(session)

    async def _finish(self, session: CallSession) -> None:
        if self._sessions.get(session.call_id) is session and not session.legs:
            del self._sessions[session.call_id]
        if not self._sessions:
            self._empty.set()
        self._outbox.recordings_finished(await session.finish())

    async def _close(self) -> None:
        self._draining = True
        for session in list(self._sessions.values()):
            await self._close_call(session.call_id)
        for leg in list(self._legs.values()):
            await self._end_leg(leg, _STOPS)
        if self._endings:
            await asyncio.wait(set(self._endings))
        await self._servers.aclose()
        await self._outbox.flush()
        await self._tasks.aclose()
        await asyncio.to_thread(self._files.close)

    def _session(self, leg: Leg) -> CallSession | None:
        return self._sessions.get(leg.call_id) if leg.call_id is not None else None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            now_s = time.monotonic()
            for number, leg in enumerate(list(self._legs.values()), start=1):
                leg.check(now_s)
                if number % CHECKED_AT_ONCE == 0:
                    await asyncio.sleep(0)  # packets that came meanwhile do not wait for all legs
