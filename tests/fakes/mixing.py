"""People in a call on the mixer alone: real Opus both ways, no network, and time that goes on by hand."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import numpy as np

from media.packets import MicPacket
from media.sound.callmixer import FRAME_S, CallMixer
from media.sound.tracks import OutgoingTrack
from media.supervise import Supervisor
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from sound.opus import OpusDecoder, OpusEncoder, Samples


class NoTasks(Supervisor):
    """The clock is turned by hand."""

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> None:
        coroutine.close()


def tone(hz: float, *, seconds: float = 60.0, level: int = 9000) -> Samples:
    at_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (level * np.sin(2 * np.pi * hz * at_s)).astype(np.int16)


@dataclass
class Person:
    """Says `said`, nothing at all when it is None, and decodes the packets that come back in their order."""

    mixer: CallMixer
    said: Samples | None
    leg_id: UUID = field(default_factory=uuid4)
    fraction_lost: float | None = None
    payloads: list[bytes] = field(default_factory=list)
    forwarded: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self._encoder, self._decoder = OpusEncoder(), OpusDecoder()
        self._parts: list[Samples] = []
        self.track = OutgoingTrack(self, wake=lambda: None)
        self.mixer.add(self.leg_id, self.track)

    def forward(self, packet: MicPacket) -> None:
        self.forwarded += 1
        self.payloads.append(packet.payload)

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None:
        self.payloads.append(payload)

    def say(self, now_s: float) -> None:
        """The next 20 ms, from the beginning again where there is no more."""
        if self.said is None:
            return
        begin = self.number % (self.said.size // FRAME_SAMPLES) * FRAME_SAMPLES
        packet = MicPacket(
            source=(hash(self.leg_id), 1),
            sequence_number=self.number & 0xFFFF,
            timestamp=self.number * FRAME_SAMPLES,
            arrival_s=now_s,
            payload=self._encoder.encode(self.said[begin : begin + FRAME_SAMPLES]),
        )
        self.number += 1
        self.mixer.route(self.leg_id, packet)

    def heard(self, *, skip_s: float = 0.0) -> Samples:
        """Since `forget`."""
        self._parts += [self._decoder.decode(payload) for payload in self.payloads]
        self.payloads.clear()
        return np.concatenate(self._parts)[round(skip_s * SAMPLE_RATE_HZ) :]

    def forget(self) -> None:
        self.heard()
        self._parts, self.forwarded = [], 0


class Room:
    """People in one call. Time goes on by `pass_s` only."""

    def __init__(self, *said: Samples | None) -> None:
        self.mixer = CallMixer(NoTasks("nobody"))
        self.people = [Person(self.mixer, what) for what in said]
        self._now_s = 100.0

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            for person in self.people:
                person.say(self._now_s)
            self.tick()

    def tick(self) -> None:
        self.mixer.tick(self._now_s + FRAME_S / 3)
        self._now_s += FRAME_S

    def mixing(self) -> list[bool]:
        return [person.track.mixing for person in self.people]

    def forget(self) -> None:
        for person in self.people:
            person.forget()
