"""The sound of one accepted call: a connection to the worker, made again whenever it has to be."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from agent.answers import AnswerRefusedError, answer_check
from agent.audio import Microphone, Samples
from agent.background import Background
from agent.capture import Capture
from agent.config import Timings
from agent.errors import AgentError, AudioError, RequestRefusedError
from agent.ice import IceSource
from agent.identity import Identity
from agent.link import Link
from agent.measuring import Report
from agent.peer import IceConfiguration, Peer, PeerError
from agent.playout import Playout
from agent.processing import SoundProcessing
from agent.renewal import Attempt, Look, Renewal, Step
from agent.route import local_address
from protocol.errors import ErrorCode
from protocol.messages.calls import LOST_FOR_GOOD
from protocol.messages.connection import AnswerRefused, WebrtcAnswer, WebrtcOffer

log = structlog.get_logger(__name__)

OVER = "The call is over."
_FINAL_CODES = (ErrorCode.CALL_ENDED, ErrorCode.NOT_FOUND, ErrorCode.NOT_ALLOWED, ErrorCode.BAD_SDP)
_LOOK_EVERY_S = 0.25
_REFUSED_MOST = 3  # answers in a row that were not the hub's
_ROUTE_EVERY_S = 1.0
_MEASURE_EVERY_S = 1.0
_OLD_STAYS_S = 1.0  # the other end may still listen at the worker that this one has left


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


@dataclass
class _Next:
    """The connection that shall take over. `peer` is there once the hub has named its servers."""

    task: asyncio.Task[None]
    peer: Peer | None = None


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
        self._next: _Next | None = None
        self._leaving = Background()
        self._renewal = Renewal(parts.timings.renewal, now_s=time.monotonic())
        self._wake = asyncio.Event()
        self._was_lost, self._was_connected = False, False
        self._address: str | None = None
        self.answers_refused = 0  # since the last connection that came about
        self._report = Report()
        self._measured_at = self._told_at = self._routed_at = time.monotonic()
        parts.playout.open_call()

    @property
    def is_connected(self) -> bool:
        return self._peer is not None and self._peer.is_connected

    def renew(self) -> None:
        """A new connection in the place of this one."""
        self._renewal.ask()
        self._wake.set()

    def unheard(self) -> None:
        """The hub hears nothing from here."""
        self._renewal.unheard(time.monotonic())
        self._wake.set()

    def others_are_away(self, is_away: bool) -> None:
        """Nobody is there to hear the room: the microphone closes until somebody is back."""
        if self._capture.is_paused is is_away:
            return
        if is_away:
            log.info("The microphone is off: the other end is away")
        else:
            log.info("The microphone is on again")
        try:
            self._capture.pause(is_away)
        except AudioError as error:
            log.error("The microphone did not open again: {reason}", reason=str(error))

    async def run(self) -> None:
        """Until cancelled; or until there is no hope, which `on_lost` then hears."""
        reason: str | None = None
        while reason is None:
            self._wake.clear()
            reason = self._refused() or self._over() or await self._do(self._renewal.step(self._look()))
            self._tell()
            if reason is None:
                await self._look_at_route()
                await self._measure()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _LOOK_EVERY_S)
        await self._on_lost(reason)

    def mute(self) -> None:
        """Closes the microphone and stops the call's sound at once, before another call can open them."""
        self._parts.playout.close_call()
        self._capture.close()
        self._parts.processing.end()

    async def aclose(self) -> None:
        """After `mute`, with `run` ended."""
        self._parts.link.calm()
        await self._drop()
        await self._leaving.aclose()
        if self._peer is not None:
            await self._peer.close()

    # --- one look -----------------------------------------------------------------------------

    def _look(self) -> Look:
        peer, waiting = self._peer, self._next
        attempt = Attempt.NONE
        if waiting is not None:
            is_connected = waiting.task.done() or (waiting.peer is not None and waiting.peer.is_connected)
            attempt = Attempt.CONNECTED if is_connected else Attempt.CONNECTING
        return Look(
            now_s=time.monotonic(),
            silent_s=peer.silent_s if peer is not None else None,
            speaks=peer is not None and peer.speaks,
            attempt=attempt,
            attempt_hears=waiting is not None and waiting.peer is not None and waiting.peer.has_sound,
        )

    def _refused(self) -> str | None:
        """Clears an attempt that came to nothing. Why there is no hope any more, where there is none."""
        waiting = self._next
        if waiting is None or not waiting.task.done() or (error := waiting.task.exception()) is None:
            return None
        self._next = None
        self._renewal.failed(time.monotonic())
        if isinstance(error, RequestRefusedError) and error.code in _FINAL_CODES:
            return str(error)
        if isinstance(error, AnswerRefusedError):
            self.answers_refused += 1
            if self.answers_refused >= _REFUSED_MOST and self._renewal.is_lost:
                return str(error)
        if not isinstance(error, AgentError | TimeoutError):
            raise error
        words = "The hub did not answer in time." if isinstance(error, TimeoutError) else str(error)
        log.warning("The sound is not connected: {reason}", reason=words)
        return None

    def _over(self) -> str | None:
        """That the call has ended, where nobody can say why. While the hub answers, it does."""
        if self._peer is not None and self._peer.is_over and not self._parts.link.is_online:
            return OVER
        return None

    async def _do(self, step: Step) -> str | None:
        match step:
            case Step.OFFER:
                self._offer()
            case Step.CHANGE:
                self._change()
            case Step.DROP:
                await self._drop()
            case Step.END:
                return LOST_FOR_GOOD
            case Step.WAIT:
                pass
        return None

    def _tell(self) -> None:
        """What a page shows as "Reconnecting…" stands here in the log; but a call that has ended is not lost."""
        is_over = self._peer is not None and self._peer.is_over
        is_lost = self._renewal.is_lost and self._was_connected and not is_over
        if is_lost and not self._was_lost:
            log.warning("Reconnecting…")
        elif self._was_lost and not is_lost:
            log.info("The sound is back")
            self._parts.link.calm()
        self._was_lost = is_lost

    async def _look_at_route(self) -> None:
        """Another address means another network: nothing comes back over the old one."""
        link, now_s = self._parts.link, time.monotonic()
        if now_s - self._routed_at < _ROUTE_EVERY_S or link.hub_address is None:
            return
        self._routed_at = now_s
        address = local_address(link.hub_address)
        if address is not None and self._address is not None and address != self._address:
            log.info("The network of this device is another one now")
            link.drop()
            self._renewal.ask()
        self._address = address or self._address

    async def _measure(self) -> None:
        """Looks once a second, and tells the hub now and then what it measured."""
        now_s = time.monotonic()
        if self._peer is None or now_s - self._measured_at < _MEASURE_EVERY_S:
            return
        self._measured_at = now_s
        self._report.add(await self._peer.measure())
        if now_s - self._told_at > self._parts.timings.stats_interval_s:
            self._told_at = now_s
            stats = self._report.take(self._call_id, self._peer.path)
            if stats is not None:
                removed = self._parts.processing.echo_return_loss_enhancement
                told = stats.model_copy(update={"echo_return_loss_enhancement": removed})
                if not await self._parts.link.send(told):
                    self._report.put_back(stats)

    # --- connections --------------------------------------------------------------------------

    def _offer(self) -> None:
        if self._was_connected and self._renewal.is_lost:
            self._parts.link.doubt()
        self._next = _Next(asyncio.create_task(self._connect(), name="connect sound"))
        self._next.task.add_done_callback(lambda _: self._wake.set())

    async def _connect(self) -> None:
        parts, request_id = self._parts, uuid.uuid4().hex
        peer: Peer | None = None
        try:
            ice = await parts.ice.get(self._call_id)
            peer = self._make_peer(ice)
            offer = WebrtcOffer(id=request_id, call_id=self._call_id, sdp=await peer.make_offer())
            answer = await parts.link.request(offer)
            if not isinstance(answer, WebrtcAnswer):
                raise PeerError("The hub answered the offer with something else.")
            answer_check(parts.identity, offer, answer)
            await peer.accept_answer(answer.sdp)
            await peer.wait_connected(parts.timings.renewal.attempt_s)
        except BaseException as error:
            parts.ice.forget()
            if isinstance(error, AnswerRefusedError):
                await parts.link.send(AnswerRefused(call_id=self._call_id))
            if peer is not None:
                await peer.close()
            raise

    def _make_peer(self, ice: IceConfiguration) -> Peer:
        peer = Peer(
            key=self._parts.identity.private_key,
            certificate=self._parts.identity.certificate,
            ice=ice,
            track=self._capture.new_track(),
            on_samples=self._on_samples,
        )
        if self._next is not None:
            self._next.peer = peer
        return peer

    def _change(self) -> None:
        """Make before break: sound flows on the new connection, so the old one is not heard any more."""
        if self._next is None:
            return
        old, self._peer, self._next = self._peer, self._next.peer, None
        self._was_connected, self.answers_refused = True, 0
        if old is not None:
            self._leaving.start(self._leave(old), name="leave connection")

    async def _leave(self, old: Peer) -> None:
        try:
            await asyncio.sleep(_OLD_STAYS_S)
        finally:
            await old.close()

    async def _drop(self) -> None:
        waiting, self._next = self._next, None
        if waiting is not None:
            waiting.task.cancel()
            await asyncio.gather(waiting.task, return_exceptions=True)
            if waiting.peer is not None:
                await waiting.peer.close()

    def _on_samples(self, peer: Peer, samples: Samples) -> None:
        if self._peer is peer:
            self._parts.playout.write_call(samples)
        elif self._next is not None and self._next.peer is peer:
            self._wake.set()
