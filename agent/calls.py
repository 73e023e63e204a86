"""Calls on the device: ring or answer, one at a time."""

import asyncio
from collections import deque
from dataclasses import dataclass
from uuid import UUID

import structlog

from agent.background import Background
from agent.callmedia import CallMedia, MediaParts
from agent.errors import AudioError
from agent.state import DeviceState, Event
from protocol.messages.calls import (
    CallAccept,
    CallDecline,
    CallEnd,
    CallInvited,
    CallMoved,
    CallRinging,
    CallRole,
    CallState,
    CallStateMessage,
)

log = structlog.get_logger(__name__)

UNKNOWN_CALLER = "Somebody"  # after a restart in the middle of a call the hub tells no name
OWN_ROLE = CallRole.CALLEE  # devices are called, they do not call
_REMEMBERED_CALLS = 16


@dataclass
class _Call:
    call_id: UUID
    caller_name: str
    is_back: bool = False  # it went on while this program was away
    accepted_in: int = 0  # Link.session_count; 0: not accepted
    media: CallMedia | None = None
    task: asyncio.Task[None] | None = None


class Phone:
    """At most one call. Every public coroutine may be called at any time, and twice."""

    def __init__(self, *, parts: MediaParts, state: DeviceState, background: Background) -> None:
        self._parts, self._state, self._background = parts, state, background
        self._link, self._playout = parts.link, parts.playout
        self._call: _Call | None = None
        self._over: deque[UUID] = deque(maxlen=_REMEMBERED_CALLS)

    @property
    def is_accepted(self) -> bool:
        return self._call is not None and self._call.media is not None

    @property
    def is_connected(self) -> bool:
        return self._call is not None and self._call.media is not None and self._call.media.is_connected

    # --- what the hub says -------------------------------------------------------------------

    async def invited(self, invite: CallInvited) -> None:
        call = self._call
        if call is not None and call.call_id == invite.call_id:
            await self._repeat(call)
        elif self._state.takes_calls:
            await self._ring(invite)
        else:
            await self._link.send(CallDecline(call_id=invite.call_id, reason="busy"))
            log.info("{caller} is calling: busy", caller=invite.caller_name)

    async def call_state(self, message: CallStateMessage) -> None:
        """The row as it is. After a lost socket, or a restart of this program, it brings the call back."""
        call, is_live = self._call, message.state in (CallState.CONNECTING, CallState.CONNECTED)
        if call is not None and call.call_id == message.call_id:
            if message.state is CallState.ENDED:
                await self._finish(call, message.reason or "the call is over")
            elif call.media is not None:
                await self._say_again(call, is_known=is_live)
                self._note_away(call.media, message.away or [])
        elif message.call_id in self._over:
            # It ended here, and the hub did not hear it.
            if is_live:
                await self._link.send(CallEnd(call_id=message.call_id))
        elif call is None and is_live:
            await self._rejoin(message.call_id)
        elif call is None and message.state is CallState.RINGING:
            await self.invited(
                CallInvited(call_id=message.call_id, caller_name=UNKNOWN_CALLER, auto_answer=False)
            )

    async def moved(self, message: CallMoved) -> None:
        call = self._call
        if call is None and message.call_id not in self._over:
            await self._rejoin(message.call_id)
        elif call is not None and call.call_id == message.call_id and call.media is not None:
            log.info("The call moves to another worker")
            call.media.renew()

    async def ended(self, message: CallEnd) -> None:
        if self._call is not None and self._call.call_id == message.call_id:
            await self._finish(self._call, message.reason or "hung up")

    # --- what the person says ----------------------------------------------------------------

    async def accept(self) -> None:
        """Answers the ringing call. Nothing without one."""
        if self._call is not None and self._call.media is None:
            await self._answer(self._call)

    async def hang_up(self) -> None:
        """Ends the call; declines it while it rings. Nothing without one."""
        call = self._call
        if call is None:
            return
        if call.media is None:
            await self._link.send(CallDecline(call_id=call.call_id))
            await self._finish(call, "declined here")
        else:
            await self._hang_up(call, None)

    async def drop(self) -> None:
        """Ends the call here without a word to the hub."""
        if self._call is not None:
            await self._finish(self._call, "this device belongs to nobody now")

    # --- one call ----------------------------------------------------------------------------

    async def _ring(self, invite: CallInvited) -> None:
        self._call = call = _Call(invite.call_id, invite.caller_name)
        self._state.apply(Event.CALL_RINGS)
        await self._link.send(CallRinging(call_id=call.call_id))
        if self._call is not call:
            return  # it ended while we said that it rings
        if invite.auto_answer:
            await self._answer(call)
        else:
            log.info("{caller} is calling: press Enter to answer", caller=call.caller_name)
            self._playout.ring()
            call.task = self._background.start(self._ring_out(call), name="ring")

    async def _ring_out(self, call: _Call) -> None:
        await asyncio.sleep(self._parts.timings.ring_s)
        if call.media is None:
            await self._finish(call, "nobody answered")

    async def _answer(self, call: _Call) -> None:
        if call.task is not None:
            call.task.cancel()
        self._playout.stop_ring()
        try:
            call.media = self._open_media(call)
        except AudioError as error:
            await self._hang_up(call, str(error))
            return
        self._state.apply(Event.CALL_ANSWERED)
        self._playout.chime()
        if call.is_back:
            log.info("Back in the call that goes on")
        else:
            log.info("{caller} is calling: answered", caller=call.caller_name)
        await self._send_accept(call)
        if self._call is call:
            call.task = self._background.start(self._run_media(call, call.media), name="call")

    async def _run_media(self, call: _Call, media: CallMedia) -> None:
        try:
            await media.run()
        except Exception:
            # A call that nobody tends would keep the device busy for ever.
            log.exception("The call broke down.")
            await self._hang_up(call, "Something in the device went wrong.")

    def _open_media(self, call: _Call) -> CallMedia:
        async def lost(reason: str) -> None:
            await self._hang_up(call, reason)

        return CallMedia(self._parts, call_id=call.call_id, on_lost=lost)

    async def _rejoin(self, call_id: UUID) -> None:
        self._call = call = _Call(call_id, UNKNOWN_CALLER, is_back=True)
        self._state.apply(Event.CALL_RINGS)
        await self._answer(call)

    async def _repeat(self, call: _Call) -> None:
        """The hub asked again because it did not hear the first answer."""
        await self._link.send(CallRinging(call_id=call.call_id))
        if call.media is not None:
            await self._send_accept(call)

    async def _say_again(self, call: _Call, *, is_known: bool) -> None:
        """The acceptance may have been lost with the last socket. The offer is the media's own business."""
        if not is_known and call.accepted_in != self._link.session_count:
            await self._send_accept(call)

    def _note_away(self, media: CallMedia, away: list[CallRole]) -> None:
        media.others_are_away(any(role is not OWN_ROLE for role in away))
        if OWN_ROLE in away:
            media.unheard()

    async def _send_accept(self, call: _Call) -> None:
        call.accepted_in = self._link.session_count
        await self._link.send(CallAccept(call_id=call.call_id))

    async def _hang_up(self, call: _Call, reason: str | None) -> None:
        await self._link.send(CallEnd(call_id=call.call_id, reason=reason[:200] if reason else None))
        await self._finish(call, reason or "hung up here")

    async def _finish(self, call: _Call, reason: str) -> None:
        if self._call is not call:
            return
        self._call = None
        self._over.append(call.call_id)
        self._playout.stop_ring()
        if call.media is not None:
            call.media.mute()
        self._state.apply(Event.CALL_OVER)
        log.info("The call with {caller} is over", caller=call.caller_name, reason=reason)
        if call.task is not None and call.task is not asyncio.current_task():
            call.task.cancel()
            await asyncio.gather(call.task, return_exceptions=True)
        if call.media is not None:
            await call.media.aclose()
