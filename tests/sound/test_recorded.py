"""What was lost on the way to a recording, heard again."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from media.recording.ogg import PRE_SKIP_SAMPLES, OggOpusWriter
from protocol.audio import FRAME_SAMPLES, OPUS_SILENCE, SAMPLE_RATE_HZ
from sound.opus import OpusEncoder, Samples, mono_samples
from sound.recorded import sound_frames
from tests.fakes.peer import write_tone
from tests.house.sounds import voice

pytestmark = pytest.mark.unit

LOST = range(20, 140, 10)


def recording(sound: Samples, *, lost: range, stand_in: bytes | None, fec: bool = True) -> io.BytesIO:
    """An Ogg Opus file in which `stand_in` (None: a packet without sound) stands for each lost packet."""
    file, encoder = io.BytesIO(), OpusEncoder()
    encoder.adapt(bitrate_bps=32_000, loss=0.1 if fec else 0.0)
    ogg = OggOpusWriter(file.write, serial=1)
    for number, frame in enumerate(sound.reshape(-1, FRAME_SAMPLES)):
        payload = encoder.encode(frame)
        if number in lost:
            payload = bytes([payload[0] & 0xFC]) if stand_in is None else stand_in
        ogg.packet(payload, FRAME_SAMPLES)
    ogg.close()
    file.seek(0)
    return file


def read(file: io.BytesIO | str) -> tuple[Samples, list[float]]:
    with av.open(file, mode="r") as container:
        frames = list(sound_frames(container))
    parts = [mono_samples(frame) for frame in frames]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16), [float(f.time or 0) for f in frames]


def wrong(heard: Samples, right: Samples) -> float:
    size = min(heard.size, right.size)
    return float(np.sum((heard[:size].astype(float) - right[:size]) ** 2))


def test_every_sample_is_there_at_its_time() -> None:
    sound = voice(4.0)
    heard, times = read(recording(sound, lost=range(0), stand_in=None))
    assert heard.size == sound.size - PRE_SKIP_SAMPLES
    assert times[0] == 0
    assert times == sorted(times)
    best = np.argmax(np.correlate(heard[48_000:52_000].astype(float), sound[48_000:51_800].astype(float)))
    assert best == pytest.approx(0, abs=2), "the delay of the encoder is left out"


def test_lost_packets_are_recovered_from_their_copies() -> None:
    sound = voice(4.0)
    right, _ = read(recording(sound, lost=range(0), stand_in=None))
    recovered, _ = read(recording(sound, lost=LOST, stand_in=None))
    silent, _ = read(recording(sound, lost=LOST, stand_in=OPUS_SILENCE))
    assert recovered.size == silent.size == right.size
    assert wrong(recovered, right) < wrong(silent, right) / 2


def test_where_there_is_no_copy_the_voice_goes_on() -> None:
    tone = (8000 * np.sin(2 * np.pi * 200 * np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)).astype(np.int16)
    heard, _ = read(recording(tone, lost=LOST, stand_in=None, fec=False))
    peaks = np.abs(heard[: heard.size // 480 * 480].astype(int)).reshape(-1, 480).max(axis=1)
    assert peaks[4:-4].min() > 2000


def test_a_file_that_ends_with_lost_packets_keeps_its_length() -> None:
    sound = voice(1.0)
    heard, _ = read(recording(sound, lost=range(47, 50), stand_in=None))
    assert heard.size == sound.size - PRE_SKIP_SAMPLES


@pytest.mark.parametrize("payload", [b"\xf8\xff\xfe\x00\x00", b"\x4b\x3f" + bytes(9)])
def test_a_packet_that_no_decoder_takes_spoils_nothing_else(payload: bytes) -> None:
    sound = voice(1.0)
    heard, _ = read(recording(sound, lost=range(20, 21), stand_in=payload))
    assert np.abs(heard[30 * FRAME_SAMPLES :].astype(int)).max() > 4000


def test_another_sound_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "tone.wav", frequency_hz=440, seconds=1.0)
    heard, _ = read(str(path))
    assert heard.size == 22_050
