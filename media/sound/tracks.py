"""What one leg hears: another leg's packets as they are, or a mix made here."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol
from uuid import UUID

import numpy as np

from media.packets import MicPacket
from media.sound.mixer import mix, silence
from media.sound.player import ClipPlayer
from media.sound.tone import Tone
from media.supervise import Supervisor
from protocol.audio import FRAME_MS, FRAME_SAMPLES
from sound.opus import OpusEncoder, Samples

FRAME_S: Final = FRAME_MS / 1000
MAX_CLIPS: Final = 8
_PREFILL_SAMPLES: Final = 2 * FRAME_SAMPLES  # 40 ms against the jitter of the network
_MAX_SAMPLES: Final = 10 * FRAME_SAMPLES
_MAX_BEHIND_S: Final = 0.2


class Outlet(Protocol):
    """Where the packets go: the peer connections of the leg."""

    def forward(self, packet: MicPacket) -> None: ...

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None: ...


class Inlet:
    """A bounded buffer of one voice's samples. The oldest are dropped when it is full."""

    def __init__(self) -> None:
        self._parts: deque[Samples] = deque()
        self._size = 0
        self._filling = True
        self.samples_dropped = 0

    def push(self, samples: Samples) -> None:
        self._parts.append(samples)
        self._size += samples.size
        while self._size > _MAX_SAMPLES:
            oldest = self._parts.popleft()
            self._size -= oldest.size
            self.samples_dropped += oldest.size
        if self._size >= _PREFILL_SAMPLES:
            self._filling = False

    def pop(self) -> Samples:
        """One frame of 960 samples; silence while too little is there."""
        if self._filling or self._size < FRAME_SAMPLES:
            self._filling = True
            return silence()
        taken: list[Samples] = []
        missing = FRAME_SAMPLES
        while missing:
            part = self._parts.popleft()
            taken.append(part[:missing])
            if part.size > missing:
                self._parts.appendleft(part[missing:])
            missing -= taken[-1].size
        self._size -= FRAME_SAMPLES
        return np.concatenate(taken)


class OutgoingTrack:
    """Forwards where one voice is the only source; mixes, paced at 20 ms, where there is more to hear."""

    def __init__(
        self, outlet: Outlet, tasks: Supervisor, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._outlet = outlet
        self._tasks = tasks
        self._clock = clock
        self._inlets: dict[UUID, Inlet] = {}
        self._tones: list[Tone] = []
        self._clips: deque[ClipPlayer] = deque()
        self._encoder: OpusEncoder | None = None
        self._running = False

    @property
    def mixing(self) -> bool:
        return bool(self._tones or self._clips) or len(self._inlets) > 1

    def set_voices(self, leg_ids: Iterable[UUID]) -> None:
        """Whom this leg hears; never itself."""
        self._inlets = {leg_id: self._inlets.get(leg_id) or Inlet() for leg_id in leg_ids}
        self._start_mixing()

    def forward(self, packet: MicPacket) -> None:
        self._outlet.forward(packet)

    def feed(self, leg_id: UUID, samples: Samples) -> None:
        """Decoded samples of a voice, for the mix."""
        if (inlet := self._inlets.get(leg_id)) is not None:
            inlet.push(samples)

    def start_tone(self, *, frequency_hz: int) -> None:
        self.stop_tone()
        self._tones = [*self._tones[-1:], Tone(frequency_hz=frequency_hz)]
        self._start_mixing()

    def stop_tone(self) -> None:
        for tone in self._tones:
            tone.stop()

    def play(self, clip: ClipPlayer) -> bool:
        """Play after the clips that wait. False: too many wait already."""
        if len(self._clips) >= MAX_CLIPS:
            return False
        self._clips.append(clip)
        self._start_mixing()
        return True

    def close(self) -> None:
        for clip in self._clips:
            clip.close()
        self._clips.clear()
        self._tones, self._inlets = [], {}

    def next_frame(self) -> Samples:
        """Mix one frame of everything there is to hear."""
        frames = [inlet.pop() for inlet in self._inlets.values()]
        frames += [tone.frame() for tone in self._tones]
        if self._clips:
            frames.append(self._clips[0].frame())
            if self._clips[0].finished:
                self._clips.popleft()
        self._tones = [tone for tone in self._tones if not tone.finished]
        return mix(frames)

    def _start_mixing(self) -> None:
        if self.mixing and not self._running:
            self._running = True
            for leg_id in self._inlets:
                self._inlets[leg_id] = Inlet()
            self._tasks.spawn(self._mix(), name="mix")

    async def _mix(self) -> None:
        try:
            due_s = self._clock()
            while self.mixing:
                self._send(self.next_frame())
                due_s += FRAME_S
                now_s = self._clock()
                if now_s - due_s > _MAX_BEHIND_S:
                    due_s = now_s
                await asyncio.sleep(max(0.0, due_s - now_s))
        finally:
            self._running = False

    def _send(self, frame: Samples) -> None:
        encoder = self._encoder = self._encoder or OpusEncoder()
        if payload := encoder.encode(frame):
            self._outlet.send(payload, now_s=self._clock(), samples=FRAME_SAMPLES)
