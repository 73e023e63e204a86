"""A sound card, behind a fake PortAudio."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agent.backends.choice import make_microphone, make_speaker
from agent.errors import AudioError
from protocol.audio import FRAME_SAMPLES
from protocol.messages.calls import CallEnd
from tests.agent.conftest import StartAgent
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration


class FakePortAudio:
    """What agent.backends.soundcard uses of the module `sounddevice`."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.is_broken = False
        self.InputStream = self.OutputStream = self._open

    def query_devices(self, device: str | None, kind: str) -> dict[str, str]:
        if device not in (None, "USB Speakerphone"):
            raise ValueError("No such device")
        return {"name": device or "default"}

    def _open(self, **options: Any) -> "FakeStream":
        if self.is_broken:
            raise self.PortAudioError("Device unavailable")
        self.streams.append(FakeStream(**options))
        return self.streams[-1]


class FakeStream:
    def __init__(self, *, callback: Callable[..., None], **options: Any) -> None:
        self.callback, self.options, self.is_open = callback, options, False
        self.latency = 0.03

    def start(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_the_microphone_gives_what_the_card_heard_and_silence_when_it_is_late(
    portaudio: FakePortAudio,
) -> None:
    microphone = make_microphone("USB Speakerphone")
    microphone.open()
    stream = portaudio.streams[0]
    assert stream.options["samplerate"] == 48_000
    assert stream.options["device"] == "USB Speakerphone"
    stream.callback(np.full((FRAME_SAMPLES, 1), 5, np.int16), FRAME_SAMPLES, None, None)
    assert (microphone.read() == 5).all()
    assert (microphone.read() == 0).all()
    microphone.close()
    assert not stream.is_open


def test_the_speaker_plays_what_it_gets_and_silence_when_there_is_nothing(portaudio: FakePortAudio) -> None:
    speaker = make_speaker("default")
    speaker.open()
    speaker.write(np.full(FRAME_SAMPLES, 9, np.int16))
    room = np.ones((2 * FRAME_SAMPLES, 1), np.int16)
    portaudio.streams[0].callback(room, 2 * FRAME_SAMPLES, None, None)
    assert (room[:FRAME_SAMPLES] == 9).all()
    assert (room[FRAME_SAMPLES:] == 0).all()


def test_a_slow_card_loses_the_oldest_sound_and_no_memory(portaudio: FakePortAudio) -> None:
    speaker = make_speaker("default")
    speaker.open()
    for number in range(1000):
        speaker.write(np.full(FRAME_SAMPLES, number, np.int16))
    room = np.zeros((FRAME_SAMPLES, 1), np.int16)
    portaudio.streams[0].callback(room, FRAME_SAMPLES, None, None)
    assert room[0, 0] == 1000 - 8


def test_without_portaudio_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(AudioError, match="apt install libportaudio2"):
        make_speaker("default")


async def test_the_microphone_is_open_in_calls_only(
    hub: FakeHub, start_agent: StartAgent, portaudio: FakePortAudio
) -> None:
    async with start_agent(microphone_name="default") as agent:
        await hub.online()
        assert portaudio.streams == []
        await hub.call()
        leg = await hub.leg()
        assert [stream.is_open for stream in portaudio.streams] == [True]
        await agent.phone.hang_up()
        assert [stream.is_open for stream in portaudio.streams] == [False]
        await leg.closed()


async def test_a_microphone_that_cannot_be_opened_ends_the_call_in_words(
    hub: FakeHub, start_agent: StartAgent, portaudio: FakePortAudio
) -> None:
    async with start_agent(microphone_name="default"):
        await hub.online()
        portaudio.is_broken = True
        await hub.call()
        ended = await hub.received(CallEnd)
        assert "microphone cannot be opened" in (ended.reason or "")
        portaudio.is_broken = False
        await hub.call()
        await hub.leg()
