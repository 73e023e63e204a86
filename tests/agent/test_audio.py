"""Samples in, samples out."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audio import SampleBuffer, decode
from agent.backends.choice import make_microphone, make_speaker
from agent.errors import AudioError
from agent.playout import RING, Playout
from protocol.audio import FRAME_SAMPLES
from tests.agent.sounds import read_wav, tone, wav_bytes, write_wav
from tests.fakes.leg import level_db, tone_share

pytestmark = pytest.mark.integration


@given(st.lists(st.tuples(st.booleans(), st.integers(min_value=0, max_value=40)), max_size=60))
def test_the_buffer_keeps_order_and_drops_the_oldest(steps: list[tuple[bool, int]]) -> None:
    buffer, model, counter = SampleBuffer(capacity=32), list[int](), 0
    for is_write, count in steps:
        if is_write:
            samples = np.arange(counter, counter + count).astype(np.int16)
            counter += count
            buffer.write(samples)
            model = (model + samples.tolist())[-32:]
        else:
            assert buffer.read(count).tolist() == model[:count]
            model = model[count:]
        assert len(buffer) == len(model)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_microphone_file_of_any_rate_keeps_pitch_and_length(tmp_path: Path, rate_hz: int) -> None:
    write_wav(tmp_path / "in.wav", hz=800.0, seconds=1.0, rate_hz=rate_hz)
    microphone = make_microphone(f"file:{tmp_path / 'in.wav'}")
    microphone.open()
    frames = [microphone.read() for _ in range(75)]
    assert {len(frame) for frame in frames} == {FRAME_SAMPLES}
    assert tone_share(np.concatenate(frames[5:45]), 800.0) > 0.95
    assert level_db(np.concatenate(frames[52:])) == -120
    assert level_db(frames[48]) > -20
    microphone.open()
    assert level_db(microphone.read()) > -20


def test_a_looped_microphone_file_never_ends(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", hz=1000.0, seconds=0.5)
    microphone = make_microphone(f"file:{tmp_path / 'in.wav'}?loop")
    microphone.open()
    heard = np.concatenate([microphone.read() for _ in range(200)])
    assert tone_share(heard, 1000.0) > 0.95


@pytest.mark.parametrize("name", ["file:/nowhere/at/all.wav", "file:/etc/passwd", "file:x.wav?backwards"])
def test_a_bad_microphone_is_told_in_words(name: str) -> None:
    with pytest.raises(AudioError):
        make_microphone(name)


@pytest.mark.parametrize("make", [make_microphone, make_speaker])
def test_a_sound_card_that_is_not_there_is_told_in_words(make: object) -> None:
    with pytest.raises(AudioError, match=r"There is no|PortAudio is not installed"):
        make("No such card")  # type: ignore[operator]


def test_a_clip_that_is_too_long_is_refused() -> None:
    with pytest.raises(AudioError, match="longer than 1 s"):
        decode(io.BytesIO(wav_bytes(tone(hz=100.0, seconds=2.0))), max_s=1.0)


def test_the_speaker_file_grows_over_restarts(tmp_path: Path) -> None:
    for _ in range(2):
        speaker = make_speaker(f"file:{tmp_path / 'out.wav'}")
        speaker.open()
        speaker.write(tone(hz=100.0, seconds=0.02))
        speaker.close()
    assert len(read_wav(tmp_path / "out.wav")) == 2 * FRAME_SAMPLES


def test_the_speaker_leaves_a_file_of_somebody_else_alone(tmp_path: Path) -> None:
    path = tmp_path / "music.wav"
    write_wav(path, hz=100.0, seconds=0.1, rate_hz=44_100)
    before = path.read_bytes()
    with pytest.raises(AudioError, match="left as it is"):
        make_speaker(f"file:{path}")
    assert path.read_bytes() == before


def test_the_speaker_file_is_valid_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    program = (
        "import sys, numpy as np\n"
        "from agent.backends.choice import make_speaker\n"
        "speaker = make_speaker('file:' + sys.argv[1]); speaker.open()\n"
        "while True: speaker.write(np.full(960, 7, np.int16)); print(flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(200):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    samples = read_wav(path)
    assert len(samples) >= 200 * FRAME_SAMPLES
    assert (samples == 7).all()


def test_samples_after_a_header_that_was_not_written_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    speaker = make_speaker(f"file:{path}")
    speaker.open()
    speaker.write(np.ones(FRAME_SAMPLES, np.int16))
    speaker.close()
    with path.open("ab") as file:
        file.write(b"\x01\x00" * 10 + b"\x01")
    assert len(read_wav(path)) == FRAME_SAMPLES
    make_speaker(f"file:{path}")
    assert len(read_wav(path)) == FRAME_SAMPLES + 10


class ListSpeaker:
    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.times: list[float] = []

    def open(self) -> None:
        """Nothing to open."""

    def write(self, samples: np.ndarray) -> None:
        self.frames.append(samples)
        self.times.append(time.monotonic())

    def close(self) -> None:
        """Nothing to close."""


async def test_playout_is_paced_by_the_clock_and_stops_when_nothing_plays() -> None:
    speaker = ListSpeaker()
    playout = Playout(speaker)
    await playout.play(tone(hz=500.0, seconds=1.0))
    assert 48 <= len(speaker.frames) <= 52
    assert speaker.times[-1] - speaker.times[0] == pytest.approx(0.98, abs=0.3)
    await playout.aclose()


async def test_playout_mixes_without_wrapping_around() -> None:
    playout = Playout(ListSpeaker())
    playout.open_call()
    playout.ring()
    for _ in range(4):
        playout.write_call(np.full(FRAME_SAMPLES, 32_000, np.int16))
    frames = np.concatenate([playout.mix_frame() for _ in range(3)])
    assert frames.max() == 32_767
    assert frames.min() > 0
    await playout.aclose()


async def test_playout_waits_for_a_little_sound_before_it_starts_the_call() -> None:
    playout = Playout(ListSpeaker())
    playout.open_call()
    frame = np.full(FRAME_SAMPLES, 1000, np.int16)
    playout.write_call(frame)
    assert playout.mix_frame().max() == 0
    playout.write_call(frame)
    assert playout.mix_frame().min() == 1000
    assert playout.mix_frame().min() == 1000
    assert playout.mix_frame().max() == 0
    await playout.aclose()


async def test_call_sound_is_ducked_under_a_clip() -> None:
    playout = Playout(ListSpeaker())
    playout.open_call()
    for _ in range(4):
        playout.write_call(np.full(FRAME_SAMPLES, 8000, np.int16))
    clip = asyncio.create_task(playout.play(np.zeros(2 * FRAME_SAMPLES, np.int16)))
    await asyncio.sleep(0)
    assert playout.mix_frame().max() == 2000
    clip.cancel()
    await asyncio.gather(clip, return_exceptions=True)
    assert playout.mix_frame().max() == 8000
    await playout.aclose()


async def test_a_clip_ends_while_another_one_plays() -> None:
    playout = Playout(ListSpeaker())
    long, short = (
        asyncio.create_task(playout.play(np.full(count * FRAME_SAMPLES, 1000, np.int16))) for count in (3, 1)
    )
    await asyncio.wait_for(short, timeout=10)
    await asyncio.wait_for(long, timeout=10)
    await playout.aclose()


def test_the_ring_is_no_louder_than_a_third_of_full_scale() -> None:
    assert 8000 < np.abs(RING).max() < 11_000


def test_importing_the_agent_does_not_import_django() -> None:
    program = "import sys, agent.__main__; sys.exit('django' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
