"""The microphone as a track: paced by the monotonic clock, shared by the connections of one call."""

import asyncio
import time

import av
import structlog
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from agent.audio import SILENCE, Microphone, Samples, to_frame
from protocol.audio import FRAME_MS, FRAME_SAMPLES

log = structlog.get_logger(__name__)

_FRAME_S = FRAME_MS / 1000
_MAX_LATE_S = 0.5


class Capture:
    """One microphone for one call. While a connection replaces another, only the newer one hears the room."""

    def __init__(self, microphone: Microphone) -> None:
        self._microphone = microphone
        self._owner: CaptureTrack | None = None
        self._track_count, self._is_closed = 0, False
        microphone.open()

    def new_track(self) -> "CaptureTrack":
        self._track_count += 1
        return CaptureTrack(self, number=self._track_count)

    def read_for(self, track: "CaptureTrack") -> Samples:
        if self._is_closed:
            return SILENCE
        if self._owner is None or self._owner.readyState != "live" or track.number >= self._owner.number:
            self._owner = track
            return self._microphone.read()
        return SILENCE

    def close(self) -> None:
        self._is_closed = True
        self._microphone.close()


class CaptureTrack(MediaStreamTrack):
    """Frames of 20 ms at 48 kHz mono. Starts when the connection, then connected, first asks."""

    kind = "audio"

    def __init__(self, capture: Capture, *, number: int) -> None:
        super().__init__()
        self.number = number
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
