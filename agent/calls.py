"""Calls on the device: ring or answer, one at a time, and sound that survives a moved worker."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from agent.audio import Microphone, Samples
from agent.background import Background
from agent.backoff import Backoff
from agent.capture import Capture
from agent.config import Timings
from agent.errors import AgentError, AudioError, RequestRefusedError
from agent.identity import Identity
from agent.link import Link
from agent.peer import Peer, PeerError
from agent.playout import Playout
from agent.state import DeviceState, Event
from protocol.errors import ErrorCode
from protocol.messages import (
    CallAccept,
    CallDecline,
    CallEnd,
    CallInvited,
    CallMoved,
    CallRinging,
    CallState,
    CallStateMessage,
    IceServer,
    WebrtcAnswer,
    WebrtcOffer,
)

log = structlog.get_logger(__name__)

_FINAL_CODES = (ErrorCode.CALL_ENDED, ErrorCode.NOT_FOUND, ErrorCode.NOT_ALLOWED, ErrorCode.BAD_SDP)
_LOOK_EVERY_S = 1.0


@dataclass
class _Call:
    call_id: UUID
    caller_name: str
    is_accepted: bool = False
    capture: Capture | None = None
    peer: Peer | None = None
    wants_offer: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Phone:
    """At most one call. Every public coroutine may be called at any time and twice."""

    def __init__(
        self,
        *,
        identity: Identity,
        link: Link,
        microphone: Microphone,
        playout: Playout,
        state: DeviceState,
        background: Background,
        timings: Timings,
        make_peer: Callable[..., Peer] = Peer,
    ) -> None:
        self._identity, self._link, self._microphone = identity, link, microphone
        self._playout, self._state, self._background = playout, state, background
        self._timings, self._make_peer = timings, make_peer
        self._call: _Call | None = None
        self._hung_up: deque[UUID] = deque(maxlen=16)
        self.ice_servers: Sequence[IceServer] = ()

    @property
    def call_id(self) -> UUID | None:
        return self._call.call_id if self._call is not None else None

    @property
    def is_accepted(self) -> bool:
        return self._call is not None and self._call.is_accepted

    @property
    def is_connected(self) -> bool:
        return self._call is not None and self._call.peer is not None and self._call.peer.is_connected

    # --- what the hub says -------------------------------------------------------------------

    async def invited(self, invite: CallInvited) -> None:
        if self._call is not None and self._call.call_id == invite.call_id:
            await self._repeat(self._call)
            return
        if not self._state.takes_calls:
            await self._link.send(CallDecline(call_id=invite.call_id, reason="busy"))
            log.info("{caller} is calling: busy", caller=invite.caller_name)
            return
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

    async def call_state(self, message: CallStateMessage) -> None:
        """The row as it is. After a lost socket, or a restart of this program, it brings the call back."""
        live = message.state in (CallState.CONNECTING, CallState.CONNECTED)
        call = self._call
        if live and message.call_id in self._hung_up:
            # Said while nobody listened.
            await self._link.send(CallEnd(call_id=message.call_id))
        elif call is not None and call.call_id == message.call_id:
            if message.state is CallState.ENDED:
                await self._finish(call, message.reason or "the call is over")
            elif live and call.is_accepted and not self._is_healthy(call):
                call.wants_offer.set()
        elif call is None and live:
            await self._rejoin(message.call_id)

    async def moved(self, message: CallMoved) -> None:
        if self._call is None:
            await self._rejoin(message.call_id)
        elif self._call.call_id == message.call_id and self._call.is_accepted:
            log.info("The call moves to another worker")
            self._call.wants_offer.set()

    async def ended(self, message: CallEnd) -> None:
        if self._call is not None and self._call.call_id == message.call_id:
            await self._finish(self._call, message.reason or "hung up")

    # --- what the person says ----------------------------------------------------------------

    async def accept(self) -> None:
        """Answers the ringing call. Nothing without one."""
        call = self._call
        if call is not None and not call.is_accepted:
            await self._answer(call)

    async def _answer(self, call: _Call) -> None:
        if call.task is not None:
            call.task.cancel()
        self._playout.stop_ring()
        try:
            call.capture = Capture(self._microphone)
        except AudioError as error:
            await self._hang_up(call, str(error))
            return
        call.is_accepted = True
        self._state.apply(Event.CALL_ANSWERED)
        self._playout.open_call()
        self._playout.chime()
        log.info("{caller} is calling: answered", caller=call.caller_name)
        await self._link.send(CallAccept(call_id=call.call_id))
        call.wants_offer.set()
        if self._call is call:
            call.task = self._background.start(self._keep_connected(call), name="call")

    async def decline(self) -> None:
        call = self._call
        if call is not None and not call.is_accepted:
            await self._link.send(CallDecline(call_id=call.call_id))
            await self._finish(call, "declined here")

    async def hang_up(self) -> None:
        """Ends the call, ringing or not."""
        if self._call is None:
            return
        if self._call.is_accepted:
            await self._hang_up(self._call, None)
        else:
            await self.decline()

    async def drop(self) -> None:
        """Ends the call here without a word to the hub."""
        if self._call is not None:
            await self._finish(self._call, "this device stops")

    # --- one call ----------------------------------------------------------------------------

    async def _repeat(self, call: _Call) -> None:
        """The hub asked again because it did not hear the first answer."""
        await self._link.send(CallRinging(call_id=call.call_id))
        if call.is_accepted:
            await self._link.send(CallAccept(call_id=call.call_id))
            if not self._is_healthy(call):
                call.wants_offer.set()

    async def _rejoin(self, call_id: UUID) -> None:
        self._call = call = _Call(call_id, "The caller")
        log.info("Coming back into the call")
        self._state.apply(Event.CALL_RINGS)
        await self._answer(call)

    async def _ring_out(self, call: _Call) -> None:
        await asyncio.sleep(self._timings.ring_s)
        if self._call is call and not call.is_accepted:
            await self._finish(call, "nobody answered")

    async def _keep_connected(self, call: _Call) -> None:
        """Offers when wanted, and when nothing is heard any more; ends the call when that does not help."""
        backoff = Backoff(base_s=self._timings.backoff_base_s, max_s=self._timings.backoff_max_s)
        alive_at = told_at = time.monotonic()
        while True:
            if call.wants_offer.is_set():
                call.wants_offer.clear()
                try:
                    await self._connect(call)
                    alive_at = time.monotonic()
                    backoff.reset()
                except (AgentError, TimeoutError) as error:
                    if isinstance(error, RequestRefusedError) and error.code in _FINAL_CODES:
                        await self._hang_up(call, str(error))
                        return
                    log.warning("The sound is not connected: {reason}", reason=_words(error))
                    await self._wait(call, backoff.next_s())
                    call.wants_offer.set()
            else:
                await self._wait(call, _LOOK_EVERY_S)
                told_at = await self._look(call, told_at)
                if self._is_healthy(call):
                    alive_at = time.monotonic()
                else:
                    call.wants_offer.set()
            if time.monotonic() - alive_at > self._timings.media_lost_s:
                await self._hang_up(call, "The connection for the sound was lost.")
                return

    async def _connect(self, call: _Call) -> None:
        """Make before break: the old connection closes only when the new one carries sound."""
        if call.capture is None:
            raise AudioError("The microphone is closed.")
        peer = self._make_peer(
            key=self._identity.private_key,
            certificate=self._identity.certificate,
            ice_servers=self.ice_servers,
            track=call.capture.new_track(),
            on_samples=self._on_samples,
        )
        try:
            offer = WebrtcOffer(call_id=call.call_id, sdp=await peer.make_offer())
            answer = await self._link.request(offer)
            if not isinstance(answer, WebrtcAnswer):
                raise PeerError("The hub answered the offer with something else.")
            await peer.accept_answer(answer.sdp)
            await peer.wait_connected(self._timings.connect_timeout_s)
        except BaseException:
            await peer.close()
            raise
        old, call.peer = call.peer, peer
        log.info("In a call with {caller}", caller=call.caller_name)
        if old is not None:
            await old.close()

    async def _look(self, call: _Call, told_at: float) -> float:
        """Measures; tells the hub every few seconds. Returns when it was last told."""
        if call.peer is None:
            return told_at
        stats = await call.peer.measure(call.call_id)
        if time.monotonic() - told_at < self._timings.stats_interval_s:
            return told_at
        await self._link.send(stats)
        return time.monotonic()

    async def _wait(self, call: _Call, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(call.wants_offer.wait(), timeout_s)
        except TimeoutError:
            return

    def _is_healthy(self, call: _Call) -> bool:
        peer = call.peer
        return peer is not None and peer.is_connected and peer.silent_s < self._timings.media_silence_s

    def _on_samples(self, peer: Peer, samples: Samples) -> None:
        if self._call is not None and self._call.peer in (peer, None):
            self._playout.write_call(samples)

    async def _hang_up(self, call: _Call, reason: str | None) -> None:
        self._hung_up.append(call.call_id)
        await self._link.send(CallEnd(call_id=call.call_id, reason=reason[:200] if reason else None))
        await self._finish(call, reason or "hung up here")

    async def _finish(self, call: _Call, reason: str) -> None:
        if self._call is not call:
            return
        self._call = None
        self._playout.stop_ring()
        self._playout.close_call()
        self._state.apply(Event.CALL_OVER)
        log.info("The call with {caller} is over", caller=call.caller_name, reason=reason)
        if call.task is not None and call.task is not asyncio.current_task():
            call.task.cancel()
            await asyncio.gather(call.task, return_exceptions=True)
        if call.capture is not None:
            call.capture.close()
        if call.peer is not None:
            await call.peer.close()


def _words(error: Exception) -> str:
    return "The hub did not answer in time." if isinstance(error, TimeoutError) else str(error)
