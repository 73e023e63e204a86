"""Announcements: fetch, check, play once, write it down, report. One at a time, in order."""

import asyncio
import hashlib
import io
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import httpx
import structlog

from agent.audio import Samples, decode
from agent.errors import AgentError, AudioError, ClipError
from agent.journal import Journal
from agent.playout import Playout
from agent.state import DeviceState, Event
from protocol.messages.announcements import Announce, AnnounceProgress, DeliveryState

log = structlog.get_logger(__name__)

MAX_WAITING = 32
MAX_CLIP_BYTES = 16 * 1024 * 1024
MAX_CLIP_S = 180.0
FETCH_WAITS_S = (0.5, 2.0, 5.0)

Report = Callable[[AnnounceProgress], Awaitable[object]]


class _UnreachableError(ClipError):
    """It may be there in a moment."""


class Announcer:
    """`take` never waits; `run` does the work until cancelled."""

    def __init__(
        self,
        *,
        hub_url: str,
        http: httpx.AsyncClient,
        journal: Journal,
        playout: Playout,
        state: DeviceState,
        report: Report,
        fetch_waits_s: Sequence[float] = FETCH_WAITS_S,
    ) -> None:
        self._fetch_waits_s = fetch_waits_s
        self._hub_url, self._http, self._journal = hub_url, http, journal
        self._playout, self._state, self._send = playout, state, report
        self._waiting: asyncio.Queue[tuple[Announce, float | None]] = asyncio.Queue(MAX_WAITING)
        self._known: set[UUID] = set()

    async def take(self, announce: Announce) -> None:
        """The hub may send the same delivery again at any time; it is played once."""
        if announce.delivery_id in self._journal:
            await self._report(announce, DeliveryState.PLAYED)
        elif announce.delivery_id not in self._known:
            try:
                self._waiting.put_nowait((announce, _deadline(announce.expires_at)))
            except asyncio.QueueFull:
                await self._report(
                    announce, DeliveryState.FAILED, "Too many announcements are waiting on this device."
                )
                return
            self._known.add(announce.delivery_id)

    def clear(self) -> None:
        """Forgets what still waits."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._known.clear()

    async def run(self) -> None:
        while True:
            announce, deadline = await self._waiting.get()
            try:
                await self._deliver(announce, deadline)
            except AgentError as error:
                log.warning("An announcement could not be played: {reason}", reason=str(error))
                await self._report(announce, DeliveryState.FAILED, str(error))
            except Exception:
                # The next announcement must still be heard.
                log.exception("An announcement could not be played.")
                await self._report(announce, DeliveryState.FAILED, "Something in this device went wrong.")
            finally:
                self._known.discard(announce.delivery_id)

    async def _deliver(self, announce: Announce, deadline: float | None) -> None:
        if deadline is not None and time.monotonic() > deadline:
            await self._report(announce, DeliveryState.EXPIRED, "It was too old when its turn came.")
            return
        clip = await self._fetch_patiently(announce)
        await self._report(announce, DeliveryState.FETCHED)
        samples = await asyncio.to_thread(_decode_clip, clip)
        await self._play(samples)
        self._write_down(announce.delivery_id)
        log.info("Announcement played", delivery_id=str(announce.delivery_id))
        await self._report(announce, DeliveryState.PLAYED)

    async def _play(self, samples: Samples) -> None:
        self._state.apply(Event.CLIP_STARTED)
        try:
            await self._playout.play(samples)
        except AudioError as error:
            raise ClipError(f"The speaker does not work: {error}") from error
        finally:
            self._state.apply(Event.CLIP_OVER)

    def _write_down(self, delivery_id: UUID) -> None:
        try:
            self._journal.add(delivery_id)
        except OSError as error:
            # It was heard, and that is what is reported; only a restart could repeat it.
            log.error("The journal cannot be written: {reason}", reason=error.strerror)

    async def _fetch_patiently(self, announce: Announce) -> bytes:
        """Tries again when the network or the hub stumbles. Raises ClipError."""
        for wait_s in self._fetch_waits_s:
            try:
                return await self._fetch(announce)
            except _UnreachableError as error:
                log.info("Trying again to fetch an announcement", reason=str(error), wait_s=wait_s)
                await asyncio.sleep(wait_s)
        return await self._fetch(announce)

    async def _fetch(self, announce: Announce) -> bytes:
        """The clip's bytes. Raises ClipError in words."""
        if not announce.clip_url.startswith("/") or announce.clip_url.startswith("//"):
            raise ClipError("The announcement's sound is not on the hub.")
        data = bytearray()
        try:
            async with self._http.stream("GET", self._hub_url + announce.clip_url) as response:
                if response.status_code >= 500:
                    raise _UnreachableError("The hub could not give out the announcement's sound.")
                if response.status_code != 200:
                    raise ClipError(f"The hub did not give out the sound (status {response.status_code}).")
                async for part in response.aiter_bytes():
                    data += part
                    if len(data) > MAX_CLIP_BYTES:
                        raise ClipError("The announcement's sound is too large for this device.")
        except httpx.HTTPError as error:
            raise _UnreachableError("The announcement's sound could not be fetched from the hub.") from error
        if hashlib.sha256(data).hexdigest() != announce.clip_sha256.lower():
            raise ClipError("The announcement's sound arrived damaged.")
        return bytes(data)

    async def _report(self, announce: Announce, state: DeliveryState, reason: str | None = None) -> None:
        await self._send(
            AnnounceProgress(
                delivery_id=announce.delivery_id, state=state, reason=reason[:200] if reason else None
            )
        )


def _decode_clip(clip: bytes) -> Samples:
    with suppress(AudioError):
        samples = decode(io.BytesIO(clip), max_s=MAX_CLIP_S)
        if len(samples):
            return samples
    raise ClipError("The announcement's sound cannot be played: it is empty, damaged or too long.")


def _deadline(expires_at: datetime) -> float | None:
    """On the monotonic clock. The hub sends nothing expired: what looks so means a wrong clock here."""
    if expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=UTC)
    remaining_s = (expires_at - datetime.now(UTC)).total_seconds()
    return time.monotonic() + remaining_s if remaining_s > 0 else None
