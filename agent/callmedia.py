"""The sound of one accepted call: a connection to the worker, made again whenever it has to be."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from agent.audio import Microphone, Samples
from agent.backoff import Backoff
from agent.capture import Capture
from agent.config import Timings
from agent.errors import AgentError, RequestRefusedError
from agent.ice import IceSource
from agent.identity import Identity
from agent.link import Link
from agent.measuring import Report
from agent.peer import Peer, PeerError
from agent.playout import Playout
from agent.processing import SoundProcessing
from protocol.errors import ErrorCode
from protocol.messages import WebrtcAnswer, WebrtcOffer

log = structlog.get_logger(__name__)

_FINAL_CODES = (ErrorCode.CALL_ENDED, ErrorCode.NOT_FOUND, ErrorCode.NOT_ALLOWED, ErrorCode.BAD_SDP)
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class MediaParts:
    """What every call of a device shares."""

    identity: Identity
    link: Link
    ice: IceSource
    microphone: Microphone
    playout: Playout
    processing: SoundProcessing
    timings: Timings


class CallMedia:
    """Opens the microphone when made (AudioError), closes it in `mute`. `run` keeps the call connected."""

    def __init__(
        self,
        parts: MediaParts,
        *,
        call_id: UUID,
        on_lost: Callable[[str], Awaitable[None]],
    ) -> None:
        self._parts, self._call_id, self._on_lost = parts, call_id, on_lost
        self._capture = Capture(parts.microphone)
        parts.processing.begin()
        self._peer: Peer | None = None
        self._report = Report()
        self._is_connecting = True
        self._wants_offer = asyncio.Event()
        self._wants_offer.set()
        self._alive_at = self._told_at = time.monotonic()
        parts.playout.open_call()

    @property
    def is_connected(self) -> bool:
        return self._peer is not None and self._peer.is_connected

    @property
    def is_healthy(self) -> bool:
        peer = self._peer
        return peer is not None and peer.is_connected and peer.silent_s < self._parts.timings.media_silence_s

    def offer_again(self) -> None:
        """A new connection in the place of this one."""
        self._wants_offer.set()

    def repair(self) -> None:
        """A new connection, unless this one works or is just being made."""
        if not self._is_connecting and not self.is_healthy:
            self._wants_offer.set()

    async def run(self) -> None:
        """Until cancelled; or until there is no hope, which `on_lost` then hears."""
        timings = self._parts.timings
        backoff = Backoff(base_s=timings.backoff_base_s, max_s=timings.backoff_max_s)
        reason: str | None = None
        while reason is None:
            if self._wants_offer.is_set():
                reason = await self._try_to_connect(backoff)
            else:
                await self._watch()
            if time.monotonic() - self._alive_at > timings.media_lost_s:
                reason = "The connection for the sound was lost."
        await self._on_lost(reason)

    def mute(self) -> None:
        """Closes the microphone and stops the call's sound at once, before another call can open them."""
        self._parts.playout.close_call()
        self._capture.close()
        self._parts.processing.end()

    async def aclose(self) -> None:
        """After `mute`, with `run` ended."""
        if self._peer is not None:
            await self._peer.close()

    async def _try_to_connect(self, backoff: Backoff) -> str | None:
        """Why there is no hope any more, else None."""
        self._wants_offer.clear()
        self._is_connecting = True
        try:
            await self._connect()
        except (AgentError, TimeoutError) as error:
            if isinstance(error, RequestRefusedError) and error.code in _FINAL_CODES:
                return str(error)
            words = "The hub did not answer in time." if isinstance(error, TimeoutError) else str(error)
            log.warning("The sound is not connected: {reason}", reason=words)
            await self._pause(backoff.next_s())
            self._wants_offer.set()
            return None
        self._is_connecting = False
        self._alive_at = time.monotonic()
        backoff.reset()
        return None

    async def _connect(self) -> None:
        """Make before break: the old connection closes only when the new one stands."""
        parts = self._parts
        peer = Peer(
            key=parts.identity.private_key,
            certificate=parts.identity.certificate,
            ice=await parts.ice.get(self._call_id),
            track=self._capture.new_track(),
            on_samples=self._on_samples,
        )
        try:
            answer = await parts.link.request(WebrtcOffer(call_id=self._call_id, sdp=await peer.make_offer()))
            if not isinstance(answer, WebrtcAnswer):
                raise PeerError("The hub answered the offer with something else.")
            await peer.accept_answer(answer.sdp)
            await peer.wait_connected(parts.timings.connect_timeout_s)
        except BaseException:
            parts.ice.forget()
            await peer.close()
            raise
        old, self._peer = self._peer, peer
        if old is not None:
            await old.close()

    async def _watch(self) -> None:
        """Looks once a second whether anything still arrives; tells the hub now and then what it measured."""
        await self._pause(_LOOK_EVERY_S)
        if self._peer is not None:
            self._report.add(await self._peer.measure())
            if time.monotonic() - self._told_at > self._parts.timings.stats_interval_s:
                self._told_at = time.monotonic()
                stats = self._report.take(self._call_id, self._peer.path)
                if stats is not None:
                    removed = self._parts.processing.echo_return_loss_enhancement
                    await self._parts.link.send(
                        stats.model_copy(update={"echo_return_loss_enhancement": removed})
                    )
        if self.is_healthy:
            self._alive_at = time.monotonic()
        else:
            self._wants_offer.set()

    async def _pause(self, most_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wants_offer.wait(), most_s)

    def _on_samples(self, peer: Peer, samples: Samples) -> None:
        if self._peer is peer or self._peer is None:
            self._parts.playout.write_call(samples)
