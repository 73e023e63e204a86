"""A device in a virtual room: what it plays comes back through the room to its microphone."""

import numpy as np

from agent.audio import SampleBuffer, padded
from agent.processing import SoundProcessing
from protocol.audio import FRAME_SAMPLES
from tests.house.room import Room, RoomSound, Samples

_WAITING_FRAMES = 10


class HouseBackend:
    """An agent's backend (agent.backends.choice.SoundBackend): `Agent(config, backend=HouseBackend(Room()))`.

    The microphone's reads are the room's clock. Every read takes what the speaker played meanwhile, or silence.
    `near`: what somebody says in the room, from the moment when the microphone opens; silence afterwards.
    As with a sound card, the reference is what is really played, silence included. `taken` is what came through the
    room, `sent` what the device made of it, for the test to compare.
    """

    def __init__(self, room: Room, *, near: Samples | None = None) -> None:
        self.room = room
        self.near: Samples = np.zeros(0, np.int16) if near is None else near
        self.taken: list[Samples] = []
        self.sent: list[Samples] = []
        self.played = SampleBuffer(capacity=_WAITING_FRAMES * FRAME_SAMPLES)

    def microphone(self, processing: SoundProcessing) -> "HouseMicrophone":
        processing.hears_room = True
        return HouseMicrophone(self, processing)

    def speaker(self, processing: SoundProcessing) -> "HouseSpeaker":
        return HouseSpeaker(self)


class HouseMicrophone:
    def __init__(self, house: HouseBackend, processing: SoundProcessing) -> None:
        self._house, self._processing = house, processing
        self._sound = RoomSound(house.room)
        self._spoken = 0

    def open(self) -> None:
        self._house.played.clear()
        self._sound, self._spoken = RoomSound(self._house.room), 0

    def read(self) -> Samples:
        house = self._house
        near = padded(house.near[self._spoken : self._spoken + FRAME_SAMPLES])
        self._spoken += FRAME_SAMPLES
        played = padded(house.played.read(FRAME_SAMPLES))
        self._processing.played(played)
        taken = self._sound.step(played, near)
        sent = self._processing.process(taken)
        house.taken.append(taken)
        house.sent.append(sent)
        return sent

    def close(self) -> None:
        """The room stays."""


class HouseSpeaker:
    def __init__(self, house: HouseBackend) -> None:
        self._house = house

    def open(self) -> None:
        """Nothing to open."""

    def write(self, samples: Samples) -> None:
        self._house.played.write(samples)

    def close(self) -> None:
        """Nothing to close."""
