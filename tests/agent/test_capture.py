"""One microphone for the two connections of a handover."""

import numpy as np
import pytest

from agent import capture
from agent.audio import Samples
from agent.capture import Capture
from protocol.audio import FRAME_SAMPLES

pytestmark = pytest.mark.unit


class CountingMicrophone:
    """Its frames are numbered; 0 is silence."""

    def __init__(self) -> None:
        self._is_open, self.number = False, 0

    def open(self) -> None:
        self._is_open = True

    def read(self) -> Samples:
        assert self._is_open
        self.number += 1
        return np.full(FRAME_SAMPLES, self.number, np.int16)

    def close(self) -> None:
        self._is_open = False

    def is_open(self) -> bool:
        return self._is_open


async def test_both_connections_hear_the_same_and_none_hears_a_frame_twice() -> None:
    shared = Capture(CountingMicrophone())
    old, new = shared.new_track(), shared.new_track()
    heard: dict[object, list[int]] = {old: [], new: []}
    for _ in range(4):
        for track in (old, new):
            heard[track].append(int(shared.read_for(track)[0]))
    assert heard[old] == [1, 2, 3, 4]
    assert heard[new] == [1, 2, 3, 4]


async def test_when_the_old_one_closes_the_new_one_goes_on_without_a_hole() -> None:
    shared = Capture(CountingMicrophone())
    old, new = shared.new_track(), shared.new_track()
    shared.read_for(old)
    shared.read_for(old)
    old.stop()
    assert [int(shared.read_for(new)[0]) for _ in range(4)] == [1, 2, 3, 4]


async def test_an_old_one_that_asks_no_more_does_not_silence_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = Capture(CountingMicrophone())
    old, new = shared.new_track(), shared.new_track()
    shared.read_for(old)
    assert [int(shared.read_for(new)[0]) for _ in range(2)] == [1, 0]
    monkeypatch.setattr(capture, "_READER_GONE_S", 0.0)
    assert int(shared.read_for(new)[0]) == 2


async def test_the_microphone_is_off_while_nobody_listens() -> None:
    microphone = CountingMicrophone()
    shared = Capture(microphone)
    track = shared.new_track()
    shared.read_for(track)
    shared.pause(True)
    assert not microphone.is_open()
    assert not shared.read_for(track).any()
    shared.pause(False)
    assert microphone.is_open()
    assert int(shared.read_for(track)[0]) == 2


async def test_a_call_that_ends_meanwhile_leaves_it_off() -> None:
    microphone = CountingMicrophone()
    shared = Capture(microphone)
    shared.pause(True)
    shared.close()
    shared.pause(False)
    assert not microphone.is_open()
