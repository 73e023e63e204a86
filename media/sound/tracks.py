"""What one leg hears: another leg's packets as they are, or a mix made here."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol
from uuid import UUID

from media.packets import MicPacket
from media.sound.player import ClipPlayer
from media.sound.tone import Tone
from protocol.audio import FRAME_SAMPLES
from sound.opus import Samples
from sound.stream import OutgoingStream

MAX_CLIPS: Final = 8
_PRIMED_PACKETS: Final = 3  # so many, and decoder and encoder know the voice as the listener does
_SILENT_AFTER_S: Final = 0.1  # a voice from which nothing came for so long has nothing to join on to


class Outlet(Protocol):
    """Where the packets go: the peer connections of the leg."""

    @property
    def fraction_lost(self) -> float | None:
        """By the newest receiver report, 0 to 1."""

    def forward(self, packet: MicPacket) -> None: ...

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None: ...


class OutgoingTrack:
    """Forwards where one voice is the only sound; else the call's mixer makes its frames.

    From forwarding it moves to the mix with the packet after `_PRIMED_PACKETS` that were heard both ways, and
    back when the mix has caught up with the voice: then nothing is missing and nothing is said twice.
    """

    def __init__(self, outlet: Outlet, *, wake: Callable[[], None]) -> None:
        self._outlet = outlet
        self._tones: list[Tone] = []
        self._clips: deque[ClipPlayer] = deque()
        self._forwarded: UUID | None = None
        self._forwarded_at_s = 0.0
        self._primed = 0
        self._stream: OutgoingStream | None = None
        self.wake = wake  # the clock of the mixer
        self.voices: frozenset[UUID] = frozenset()
        self.needs_samples = False  # a voice has to be changed here, or what this leg hears has to be known
        self.mixing = False

    @property
    def wants_mix(self) -> bool:
        return bool(self._tones or self._clips or self.needs_samples) or len(self.voices) > 1

    @property
    def has_own_sound(self) -> bool:
        return bool(self._tones or self._clips)

    @property
    def fraction_lost(self) -> float | None:
        return self._outlet.fraction_lost

    @property
    def stream(self) -> OutgoingStream:
        self._stream = self._stream or OutgoingStream()
        return self._stream

    def set_voices(self, leg_ids: Iterable[UUID]) -> None:
        """Whom this leg hears; never itself."""
        self.voices = frozenset(leg_ids)
        self._wake_if_wanted()

    # Forwarding, and from there to the mix

    def forward(self, leg_id: UUID, packet: MicPacket) -> bool:
        """Pass on a packet of the voice that is heard now. False: that is another one."""
        if self.wants_mix and leg_id != self._forwarded:
            return False
        self._forwarded, self._forwarded_at_s = leg_id, packet.arrival_s
        self._outlet.forward(packet)
        return True

    def forwarded(self, leg_id: UUID, at_s: float) -> None:
        """A packet of that voice was passed on by a direct route."""
        self._forwarded, self._forwarded_at_s = leg_id, at_s

    def prime(self, samples: Samples) -> None:
        """The sound of a packet that was forwarded just now, on the way to the mix."""
        self._primed += 1
        if samples.size == FRAME_SAMPLES:
            self.stream.prime(samples)

    def may_begin(self, now_s: float) -> bool:
        """Whether the mix can take over without a gap."""
        is_heard = self._forwarded in self.voices and now_s - self._forwarded_at_s < _SILENT_AFTER_S
        return self._primed >= _PRIMED_PACKETS or not is_heard

    def begin(self) -> None:
        self.mixing, self._forwarded, self._primed = True, None, 0

    def end(self) -> None:
        """Forward again from the next packet on."""
        self.mixing, self._stream, self._primed = False, None, 0

    # The mix

    def own_frames(self) -> list[Samples]:
        """Tones and clips of this leg, one frame of each."""
        frames = [tone.frame() for tone in self._tones]
        if self._clips:
            frames.append(self._clips[0].frame())
            if self._clips[0].finished:
                self._clips.popleft()
        self._tones = [tone for tone in self._tones if not tone.finished]
        return frames

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None:
        self._outlet.send(payload, now_s=now_s, samples=samples)

    def start_tone(self, *, frequency_hz: int, lasts_s: float | None = None) -> None:
        self.stop_tone()
        self._tones = [*self._tones[-1:], Tone(frequency_hz=frequency_hz, lasts_s=lasts_s)]
        self._wake_if_wanted()

    def stop_tone(self) -> None:
        for tone in self._tones:
            tone.stop()

    def play(self, clip: ClipPlayer) -> bool:
        """Play after the clips that wait. False: too many wait already."""
        if len(self._clips) >= MAX_CLIPS:
            return False
        self._clips.append(clip)
        self._wake_if_wanted()
        return True

    def close(self) -> None:
        for clip in self._clips:
            clip.close()
        self._clips.clear()
        self._tones, self.voices, self.needs_samples = [], frozenset(), False

    def _wake_if_wanted(self) -> None:
        if self.wants_mix:
            self.wake()
