"""The worker: takes the hub's commands and carries them out; its exchange holds the legs and calls."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from media.captures import Captures
from media.connection.candidates import AddressPolicy, AddressRules
from media.connection.sdp import BadSdpError
from media.door import Door
from media.exchange import Exchange
from media.leg import Leg, Limits
from media.outbox import Outbox, Request
from media.recording.recorder import FileThread
from media.seldom import Seldom
from media.sound.player import ClipError, ClipPlayer
from media.supervise import Supervisor, log_failure
from media.turns import Turns
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

SERVERS_KNOWN_S: Final = 60.0
CHIME_HZ: Final = 880
CHIME_S: Final = 0.3

_dropped, _refused = Seldom("command_dropped"), Seldom("candidate_refused")
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
        self._addresses = addresses or AddressRules()
        self._servers = ServerChoice(remembers_s=SERVERS_KNOWN_S)
        self._files = FileThread()
        self._tasks = Supervisor("media")
        self._turns = Turns(self._tasks)
        self._outbox = Outbox(door, self._tasks)
        self._captures = Captures(captures_root.resolve(), self._files, self._outbox)
        self.exchange = Exchange(
            self._outbox,
            self._tasks,
            self._files,
            recordings_root=recordings_root.resolve(),
            limits=limits or Limits(),
        )
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Every command that was taken has been carried out."""
        return self._turns.is_idle

    async def handle(self, command: WorkerCommand) -> None:
        """Take a command. Never raises and does not wait for it."""
        key = command.call_id if isinstance(command, CallClose) else command.leg_id
        if not self._turns.take(key, partial(self._run_safely, key, command), name=command.type):
            _dropped.warn(command=command.type, key=str(key))

    async def close_call(self, call_id: str, *, is_over: bool) -> None:
        """As the command does. Nothing for a call that is not here."""
        await self.handle(CallClose(call_id=UUID(call_id), is_over=is_over))

    async def close_leg(self, leg_id: UUID) -> None:
        """As the command does. Nothing for a leg that is not here."""
        await self.handle(LegClose(leg_id=leg_id))

    async def aclose(self) -> None:
        """Close all legs and finish all files. The second caller waits for the first."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="media.close")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self.exchange.aclose()
        await self._servers.aclose()
        await self._outbox.flush()
        await self._tasks.aclose()
        await asyncio.to_thread(self._files.close)

    async def _run_safely(self, key: UUID, command: WorkerCommand) -> None:
        try:
            await self._run(command)
        except Exception as error:  # noqa: BLE001 - one command, and not the calls of all others
            log_failure("command_failed", error, command=command.type, key=str(key))
            if isinstance(command, Request):
                self._outbox.refuse(command, ErrorCode.INTERNAL, "The hub could not do this. Try again.")

    async def _run(self, command: WorkerCommand) -> None:
        match command:
            case LegOffer():
                await self._offer(command)
            case CallClose():
                await self.exchange.end_call(command.call_id, is_over=command.is_over)
            case _:
                leg = self.exchange.leg(command.leg_id)
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
                await self.exchange.end(leg, command.reason)
            case LegJoin():
                await self._join(leg, command)
            case ToneStart():
                leg.track.start_tone(frequency_hz=command.frequency_hz)
            case ToneStop():
                leg.track.stop_tone()
            case PlayClip():
                await self._play(leg, command)
            case LegGain():
                if (session := self.exchange.session(leg.call_id)) is not None:
                    session.mixer.set_gain(leg.leg_id, command.gain_db)
            case CaptureStart():
                await self._captures.start(leg)
            case CaptureStop():
                await self._captures.stop(leg, command)

    async def _offer(self, command: LegOffer) -> None:
        if self.exchange.is_draining and self.exchange.session(command.call_id) is None:
            self._outbox.refuse(
                command, ErrorCode.NO_WORKER, "This part of the hub is stopping. Connect again."
            )
            return
        leg = self.exchange.leg(command.leg_id)
        if leg is not None and leg.call_id != command.call_id and not leg.is_standing:
            await self.exchange.end(leg, "moved to another call")
            leg = None
        if leg is not None and command.request_id and leg.last_answer[0] == command.request_id:
            self._outbox.answer(command, leg.last_answer[1])  # the first one was lost on its way
            return
        is_new = leg is None
        leg = leg or self.exchange.make(command)
        await self._cancel_echo(leg, command)
        try:
            addresses = AddressPolicy(scope=command.candidate_scope, rules=self._addresses)
            servers = await self._servers.choose(command.ice_servers)
            answer = await leg.answer(command.sdp, servers, addresses)
        except Exception as error:
            if is_new:
                await self.exchange.end(leg, "bad offer", tell=False)
            if not isinstance(error, BadSdpError):
                raise
            self._outbox.refuse(command, ErrorCode.BAD_SDP, str(error))
            return
        leg.last_answer = (command.request_id or "", answer)
        if not leg.closed:
            self._outbox.answer(command, answer)

    async def _join(self, leg: Leg, command: LegJoin) -> None:
        """A second time, after a new offer: only the canceller is new."""
        if await self.exchange.join(leg, command):
            # Nothing else tells the room that somebody listens from now on. Only the room hears it.
            leg.track.start_tone(frequency_hz=CHIME_HZ, lasts_s=CHIME_S)
        await self._cancel_echo(leg, command)

    async def _cancel_echo(self, leg: Leg, command: LegOffer | LegJoin) -> None:
        """As the household chose; a new connection brings a new canceller, since its delay is another."""
        if command.echo_cancellation:
            await asyncio.to_thread(is_available)  # loads the library, which takes a second
        session = self.exchange.session(command.call_id)
        if session is not None and not leg.closed:
            session.cancel_echo(leg, is_on=command.echo_cancellation)

    def _candidate(self, leg: Leg, command: LegCandidate) -> None:
        try:
            leg.add_candidate(command.candidate, mid=command.sdp_mid, index=command.sdp_m_line_index)
        except BadSdpError:
            _refused.warn(leg_id=str(leg.leg_id))

    async def _play(self, leg: Leg, command: PlayClip) -> None:
        session = self.exchange.session(leg.call_id)
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
