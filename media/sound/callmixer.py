"""The mixer of one call and its clock: each voice is decoded once, each listener gets all others.

Of 20 ms each: every voice that somebody hears mixed is taken once, changed once, and added up for each
listener without himself. While everybody's only sound is one other voice, nothing runs here at all.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from uuid import UUID

import numpy as np

from media.packets import MicPacket
from media.sound.mixer import FULL_SCALE, mix
from media.sound.tracks import OutgoingTrack
from media.supervise import Supervisor
from protocol.audio import FRAME_MS, FRAME_SAMPLES
from sound.opus import Samples
from sound.receiver import VoiceReceiver
from sound.stream import OutgoingStream

NO_SAMPLES: Final[Samples] = np.zeros(0, np.int16)
FRAME_S: Final = FRAME_MS / 1000
MIN_GAIN_DB: Final = -60.0
MAX_GAIN_DB: Final = 20.0
_MAX_BEHIND_S: Final = 0.2
_CAUGHT_UP_SAMPLES: Final = 240  # 5 ms may be left out when a voice is forwarded again
_CATCH_UP_FRAMES: Final = 50
_REPORT_FRAMES: Final = 50  # the rate follows the receiver reports once a second


class VoiceProcessor(Protocol):
    """Changes what comes from one leg, such as an echo canceller. Frames of shape (960,), every 20 ms."""

    def far_end(self, samples: Samples) -> None:
        """What this leg is sent."""

    def process(self, samples: Samples) -> Samples:
        """What came from this leg, after `far_end` of the same 20 ms."""


class Voice:
    """One leg as a source of sound."""

    def __init__(self) -> None:
        self._receiver: VoiceReceiver | None = None
        self._gain = self._wanted_gain = 1.0
        self.processor: VoiceProcessor | None = None

    @property
    def receiver(self) -> VoiceReceiver:
        """Made when somebody hears the voice mixed: a decoder has its price."""
        self._receiver = self._receiver or VoiceReceiver()
        return self._receiver

    @property
    def is_changed(self) -> bool:
        return self.processor is not None or self._wanted_gain != 1.0

    def set_gain(self, gain_db: float) -> None:
        gain_db = min(max(gain_db, MIN_GAIN_DB), MAX_GAIN_DB)
        self._wanted_gain = float(10 ** (gain_db / 20))

    def push(self, packet: MicPacket) -> None:
        self.receiver.push(
            packet.payload,
            source=packet.source,
            sequence_number=packet.sequence_number,
            timestamp=packet.timestamp,
        )

    def follow(self, packet: MicPacket) -> Samples:
        """Decode a packet that is being forwarded; what is pushed next joins on to it."""
        return self.receiver.follow(
            packet.payload,
            source=packet.source,
            sequence_number=packet.sequence_number,
            timestamp=packet.timestamp,
        )

    def frame(self) -> Samples:
        samples = self.receiver.pop()
        if self.processor is not None:
            samples = self.processor.process(samples)
        return self._amplified(samples)

    def _amplified(self, samples: Samples) -> Samples:
        """A change of gain takes one frame, so that it does not click."""
        before, self._gain = self._gain, self._wanted_gain
        if before == self._gain == 1.0:
            return samples
        gains = np.linspace(before, self._gain, samples.size, dtype=np.float32)
        louder: Samples = np.clip(np.rint(samples * gains), -FULL_SCALE, FULL_SCALE).astype(np.int16)
        return louder


class CallMixer:
    """`add` each leg's track, `route` each packet. The clock runs only while somebody hears a mix."""

    def __init__(
        self,
        tasks: Supervisor,
        *,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._tasks, self._clock, self._changed = tasks, clock, changed
        self._tracks: dict[UUID, OutgoingTrack] = {}
        self._voices: dict[UUID, Voice] = {}
        self._shared: dict[frozenset[UUID], OutgoingStream] = {}
        self._gains_db: dict[UUID, float] = {}
        self._processors: dict[UUID, VoiceProcessor] = {}
        self._draining: dict[UUID, int] = {}  # listeners on the way back, and their frames until then
        self._frames = 0
        self._running = False

    @property
    def voices(self) -> Mapping[UUID, Voice]:
        return self._voices

    def add(self, leg_id: UUID, track: OutgoingTrack) -> None:
        self._tracks[leg_id] = track
        track.wake = self.wake
        self._set_voices()

    def remove(self, leg_id: UUID) -> None:
        self._tracks.pop(leg_id, None)
        self._voices.pop(leg_id, None)
        self._processors.pop(leg_id, None)
        self._draining.pop(leg_id, None)
        self._set_voices()

    def set_gain(self, leg_id: UUID, gain_db: float) -> None:
        """How loud the others hear this leg; 0 leaves it as it is, and lets it be forwarded."""
        self._gains_db[leg_id] = gain_db
        self._change_voice(leg_id)

    def set_processor(self, leg_id: UUID, processor: VoiceProcessor | None) -> None:
        """Change what comes from this leg before anybody hears it. Recordings keep what was said."""
        if processor is None:
            self._processors.pop(leg_id, None)
        else:
            self._processors[leg_id] = processor
        self._change_voice(leg_id)

    def route(self, leg_id: UUID, packet: MicPacket) -> None:
        """A packet of one leg: to those who hear it as it is at once, to the others with the next frame."""
        voice = self._voices.get(leg_id) or self._new_voice(leg_id)
        for track in self._tracks.values():
            if track.mixing or track.wants_mix:
                break
        else:  # most packets: all that follows would change nothing
            for other_id, track in self._tracks.items():
                if other_id != leg_id:
                    track.forward(leg_id, packet)
            return
        self._begin(packet.arrival_s)
        listeners = [track for other_id, track in self._tracks.items() if other_id != leg_id]
        on_the_way = [
            track
            for track in listeners
            if not track.mixing and track.forward(leg_id, packet) and track.wants_mix
        ]
        samples = NO_SAMPLES
        if any(track.mixing for track in listeners):
            voice.push(packet)
        elif on_the_way:
            samples = voice.follow(packet)
        for track in on_the_way:
            track.prime(samples)

    def only_listener(self, leg_id: UUID) -> UUID | None:
        """The one who hears this leg as it is, where `route` does nothing but forward to him; else None.

        `changed` is called before that ends.
        """
        others = [other_id for other_id in self._tracks if other_id != leg_id]
        is_mixed = any(track.mixing or track.wants_mix for track in self._tracks.values())
        return others[0] if len(others) == 1 and leg_id in self._voices and not is_mixed else None

    def wake(self) -> None:
        self._changed()
        if not self._running and any(track.wants_mix or track.mixing for track in self._tracks.values()):
            self._running = self._tasks.spawn(self._run(), name="mix") is not None

    def tick(self, now_s: float) -> None:
        """20 ms for everybody who hears a mix."""
        self._frames += 1
        self._begin(now_s)
        listeners = {leg_id: track for leg_id, track in self._tracks.items() if track.mixing}
        frames = self._voice_frames(listeners)
        self._send(listeners, frames, now_s)
        if self._frames % _REPORT_FRAMES == 0:
            self._follow_reports(listeners)
        for leg_id, track in listeners.items():
            self._lead_back(leg_id, track)

    # Voices

    def _new_voice(self, leg_id: UUID) -> Voice:
        voice = self._voices[leg_id] = Voice()
        self._change_voice(leg_id)
        self._set_voices()
        return voice

    def _change_voice(self, leg_id: UUID) -> None:
        voice = self._voices.get(leg_id)
        if voice is not None:
            voice.set_gain(self._gains_db.get(leg_id, 0.0))
            voice.processor = self._processors.get(leg_id)
        self._set_voices()

    def _set_voices(self) -> None:
        self._changed()
        for leg_id, track in self._tracks.items():
            heard = [other for other in self._voices if other != leg_id]
            track.needs_samples = leg_id in self._processors or any(
                self._voices[other].is_changed for other in heard
            )
            track.set_voices(heard)
        if not any(track.mixing for track in self._tracks.values()):
            self._shared.clear()

    def _voice_frames(self, listeners: Mapping[UUID, OutgoingTrack]) -> dict[UUID, Samples]:
        heard = {voice_id for track in listeners.values() for voice_id in track.voices}
        return {voice_id: self._voices[voice_id].frame() for voice_id in heard if voice_id in self._voices}

    # Listeners

    def _begin(self, now_s: float) -> None:
        """Move to the mix: all who wait for it at one time, so that no voice is delayed for one of them earlier."""
        waiting = [track for track in self._tracks.values() if track.wants_mix and not track.mixing]
        if all(track.may_begin(now_s) for track in waiting):
            for track in waiting:
                track.begin()

    def _send(
        self, listeners: Mapping[UUID, OutgoingTrack], frames: Mapping[UUID, Samples], now_s: float
    ) -> None:
        groups: dict[frozenset[UUID], list[UUID]] = {}
        for leg_id, track in listeners.items():
            if track.has_own_sound or leg_id in self._processors:
                mixed = mix([*(frames[voice_id] for voice_id in track.voices), *track.own_frames()])
                self._tell_processor(leg_id, mixed)
                _send_all([track], track.stream, mixed, now_s)
            else:
                groups.setdefault(track.voices, []).append(leg_id)
        for heard, leg_ids in groups.items():
            tracks = [listeners[leg_id] for leg_id in leg_ids]
            stream = tracks[0].stream if len(tracks) == 1 else self._shared_stream(heard)
            _send_all(tracks, stream, mix([frames[voice_id] for voice_id in heard]), now_s)

    def _shared_stream(self, heard: frozenset[UUID]) -> OutgoingStream:
        if heard not in self._shared:
            self._shared[heard] = OutgoingStream()
        return self._shared[heard]

    def _tell_processor(self, leg_id: UUID, mixed: Samples) -> None:
        processor = self._processors.get(leg_id)
        if processor is not None:
            processor.far_end(mixed)

    def _follow_reports(self, listeners: Mapping[UUID, OutgoingTrack]) -> None:
        """Of those who hear the same stream, the worst way counts."""
        worst: dict[OutgoingStream, float] = {}
        for track in listeners.values():
            stream = self._shared.get(track.voices, track.stream)
            fraction_lost = track.fraction_lost
            if fraction_lost is not None:
                worst[stream] = max(worst.get(stream, 0.0), fraction_lost)
        for stream, fraction_lost in worst.items():
            stream.report(fraction_lost)

    def _lead_back(self, leg_id: UUID, track: OutgoingTrack) -> None:
        """Let a listener who needs no mix any more catch up with the voice, then forward it."""
        voices = [self._voices[voice_id] for voice_id in track.voices if voice_id in self._voices]
        if track.wants_mix:
            if self._draining.pop(leg_id, None) is not None:
                for voice in voices:
                    voice.receiver.is_draining = False
            return
        self._draining[leg_id] = self._draining.get(leg_id, 0) + 1
        for voice in voices:
            voice.receiver.is_draining = True
        has_caught_up = all(v.receiver.is_off or v.receiver.ahead <= _CAUGHT_UP_SAMPLES for v in voices)
        if has_caught_up or self._draining[leg_id] > _CATCH_UP_FRAMES:
            del self._draining[leg_id]
            track.end()
            for voice_id in track.voices - self._heard_mixed():
                self._voices[voice_id].receiver.restart()

    def _heard_mixed(self) -> set[UUID]:
        return {voice_id for track in self._tracks.values() if track.mixing for voice_id in track.voices}

    async def _run(self) -> None:
        """Paced by the monotonic clock: what one turn takes longer, the next wait is shorter."""
        try:
            due_s = self._clock()
            while any(track.wants_mix or track.mixing for track in self._tracks.values()):
                self.tick(self._clock())
                due_s += FRAME_S
                now_s = self._clock()
                if now_s - due_s > _MAX_BEHIND_S:
                    due_s = now_s
                await asyncio.sleep(max(0.0, due_s - now_s))
        finally:
            self._running = False


def _send_all(tracks: list[OutgoingTrack], stream: OutgoingStream, mixed: Samples, now_s: float) -> None:
    """Encode once, send to each."""
    if mixed.size != FRAME_SAMPLES:
        raise ValueError("a mixed frame lasts 20 ms")
    encoded = stream.encode(mixed)
    if encoded is not None:
        payload, samples = encoded
        for track in tracks:
            track.send(payload, now_s=now_s, samples=samples)
