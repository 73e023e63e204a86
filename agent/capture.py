"""The microphone as a track: paced by the monotonic clock, shared by the connections of one call."""

import asyncio
import time
from collections import deque

import av
import structlog
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from agent.audio import SILENCE, Microphone, Samples, to_frame
from protocol.audio import FRAME_MS, FRAME_SAMPLES

log = structlog.get_logger(__name__)

_FRAME_S = FRAME_MS / 1000
_MAX_LATE_S = 0.5
_MAX_COPIES = 5  # 100 ms: a connection that falls behind skips
_READER_GONE_S = 0.1


class Capture:
    """One microphone for one call. While a connection replaces another, both hear the room.

    The two may lead to two workers, and which of them the other end listens to is for that end to know.
    """

    def __init__(self, microphone: Microphone) -> None:
        self._microphone = microphone
        self._reader: CaptureTrack | None = None  # takes from the microphone, and leaves a copy for the other
        self._read_at_s = 0.0
        self._copies: dict[CaptureTrack, deque[Samples]] = {}
        self._is_closed = self.is_paused = False
        microphone.open()

    def new_track(self) -> "CaptureTrack":
        self._copies = {track: copy for track, copy in self._copies.items() if track.readyState == "live"}
        track = CaptureTrack(self)
        self._copies[track] = deque(maxlen=_MAX_COPIES)
        return track

    def read_for(self, track: "CaptureTrack") -> Samples:
        if self._is_closed or self.is_paused:
            return SILENCE
        copies = self._copies.get(track)
        if copies and self._reader is not track:
            return copies.popleft()
        # A connection that died may ask no more although nobody closed it.
        is_read = self._reader is not None and self._reader.readyState == "live"
        if is_read and self._reader is not track and time.monotonic() - self._read_at_s < _READER_GONE_S:
            return SILENCE
        self._reader, self._read_at_s = track, time.monotonic()
        samples = self._microphone.read()
        for other, waiting in self._copies.items():
            if other is not track:
                waiting.append(samples)
        return samples

    def pause(self, is_paused: bool) -> None:
        """Nobody listens: the microphone is off meanwhile. Raises AudioError when it does not open again."""
        if self._is_closed or is_paused is self.is_paused:
            return
        if is_paused:
            self._microphone.close()
        else:
            self._microphone.open()
        self.is_paused = is_paused
        for copies in self._copies.values():
            copies.clear()

    def close(self) -> None:
        if not self._is_closed and not self.is_paused:
            self._microphone.close()
        self._is_closed = True


class CaptureTrack(MediaStreamTrack):
    """Frames of 20 ms at 48 kHz mono. Starts when the connection, then connected, first asks."""

    kind = "audio"

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture, self._pts, self._due_at = capture, 0, 0.0

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._due_at == 0.0 or now - self._due_at > _MAX_LATE_S:
            # The first frame, or the whole machine stood still: the time that passed stays in pts.
            self._pts += 0 if self._due_at == 0.0 else _whole_frames(now - self._due_at)
            self._due_at = now
        await asyncio.sleep(max(0.0, self._due_at - now))
        frame = to_frame(self._capture.read_for(self), pts=self._pts)
        self._pts += FRAME_SAMPLES
        self._due_at += _FRAME_S
        return frame


def _whole_frames(seconds: float) -> int:
    return int(seconds / _FRAME_S) * FRAME_SAMPLES
