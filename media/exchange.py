"""The exchange of one worker: its legs and calls, who takes part in which, and how they end."""

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from media.connection.keyed import Keys
from media.door import LegState
from media.leg import Leg, Limits
from media.measuring import Measuring
from media.outbox import Outbox
from media.packets import MicPacket
from media.recording.recorder import FileThread
from media.session import CallSession
from media.stats import LegStats
from media.supervise import Supervisor
from protocol.worker import LegJoin, LegOffer

log = structlog.get_logger(__name__)

CHECK_S: Final = 0.25
CHECKED_AT_ONCE: Final = 4

_STOPS: Final = "the part of the hub that carries the audio stops"


class Exchange:
    """A call is here while it has a leg here. Legs tell what they notice (`media.leg.LegEvents`)."""

    def __init__(
        self, outbox: Outbox, tasks: Supervisor, files: FileThread, *, recordings_root: Path, limits: Limits
    ) -> None:
        self._outbox, self._tasks, self._files = outbox, tasks, files
        self._recordings_root, self._limits = recordings_root, limits
        self._legs: dict[UUID, Leg] = {}
        self._sessions: dict[UUID, CallSession] = {}
        self._measuring = Measuring(outbox, self._legs.values)
        self._endings: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_draining = False
        tasks.spawn(self._watch(), name="watch")
        tasks.spawn(self._measuring.run(), name="measure")

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

    def leg(self, leg_id: UUID) -> Leg | None:
        return self._legs.get(leg_id)

    def session(self, call_id: UUID | None) -> CallSession | None:
        return self._sessions.get(call_id) if call_id is not None else None

    def tell_heard(self) -> None:
        """Say again which legs are heard: a word may have been lost, and a leg may never have come here."""
        self._outbox.heard(self._legs.values())

    # Who takes part

    def make(self, command: LegOffer) -> Leg:
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

    async def join(self, leg: Leg, command: LegJoin) -> bool:
        """A standing leg takes part in a call, and leaves another one for it. False: it was in this one already."""
        if leg.call_id not in (None, command.call_id):
            await self._step_out(leg, "moved to another call")
        if leg.call_id is not None:
            return False
        self._measuring.entered(leg)
        self._enter(leg, command)
        if leg.state is not None:
            self._outbox.state(leg, leg.state, "")
            self._outbox.recordings_started(self._sessions[command.call_id].heard())
        return True

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

    # What legs tell

    def leg_changed(self, leg: Leg, state: LegState, reason: str) -> None:
        self._outbox.state(leg, state, reason)
        self._outbox.standing(leg, state)
        if (session := self.session(leg.call_id)) is not None:
            self._outbox.recordings_started(session.heard())

    def leg_gone(self, leg: Leg, reason: str) -> None:
        if not leg.closed:
            self._begin_ending(self.end(leg, reason))

    def leg_spoke(self, leg: Leg, packet: MicPacket) -> None:
        if (session := self.session(leg.call_id)) is not None:
            session.route(leg, packet)

    def only_listener(self, leg: Leg) -> Leg | None:
        session = self.session(leg.call_id)
        return None if session is None else session.only_listener(leg)

    async def keys_of(self, leg: Leg) -> Keys:
        return await self._outbox.keys_of(leg)

    def leg_refused(self, leg: Leg) -> None:
        log.warning("peer_key_refused", leg_id=str(leg.leg_id), call_id=str(leg.call_id))
        self._outbox.key_refused(leg)

    # Endings

    async def end(self, leg: Leg, reason: str, *, tell: bool = True) -> None:
        if leg.closed:
            return
        leg.detour()
        leg.closed = True
        if self._legs.get(leg.leg_id) is leg:
            del self._legs[leg.leg_id]
        self._measuring.left(leg)
        session = self.session(leg.call_id)
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

    async def end_call(self, call_id: UUID, *, is_over: bool = True) -> None:
        """Standing legs go on without it. Not `is_over`: it goes on elsewhere."""
        session = self._sessions.get(call_id)
        if session is None:
            return
        for leg in session.legs if is_over else ():
            leg.call_is_over()
        ways = {True: self._step_out, False: self.end}
        await asyncio.gather(*(ways[leg.is_standing](leg, "the call ended") for leg in session.legs))
        await self._finish(session)

    async def drain(self, timeout_s: float) -> None:
        """Take no new calls and wait until the present ones have gone, at most `timeout_s`."""
        self.is_draining = True
        for leg in [leg for leg in self._legs.values() if leg.is_standing and leg.call_id is None]:
            self._begin_ending(self.end(leg, _STOPS))
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            log.warning("drain_timed_out", call_count=len(self._sessions))

    async def aclose(self) -> None:
        """End all calls and legs, and finish all files. Calls that are still here may have moved."""
        self.is_draining = True
        for session in list(self._sessions.values()):
            await self.end_call(session.call_id, is_over=False)
        for leg in list(self._legs.values()):
            await self.end(leg, _STOPS)
        if self._endings:
            await asyncio.wait(set(self._endings))

    def _begin_ending(self, ending: Awaitable[None]) -> None:
        async def run() -> None:
            await ending

        if (task := self._tasks.spawn(run(), name="end_leg")) is not None:
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    async def _step_out(self, leg: Leg, reason: str) -> None:
        """A standing leg leaves its call and waits for the next one."""
        session = self.session(leg.call_id)
        self._measuring.parted(leg)
        self._outbox.state(leg, LegState.CLOSED, reason)
        if session is not None:
            session.leave(leg)
        leg.leave_call()
        if self.is_draining:
            await self.end(leg, _STOPS)
        if session is not None and not session.legs:
            await self._finish(session)

    async def _finish(self, session: CallSession) -> None:
        if self._sessions.get(session.call_id) is session and not session.legs:
            del self._sessions[session.call_id]
        if not self._sessions:
            self._empty.set()
        self._outbox.recordings_finished(await session.finish())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            now_s = time.monotonic()
            for number, leg in enumerate(list(self._legs.values()), start=1):
                leg.check(now_s)
                if number % CHECKED_AT_ONCE == 0:
                    await asyncio.sleep(0)  # packets that came meanwhile do not wait for all legs
