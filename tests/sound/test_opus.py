import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import FRAME_SAMPLES, OPUS_SILENCE
from sound.opus import MAX_PACKET_SAMPLES, OpusDecoder, OpusEncoder, packet_samples, silence_packets

pytestmark = pytest.mark.unit


@given(st.binary(max_size=40))
def test_every_text_of_bytes_has_a_length_or_is_refused(payload: bytes) -> None:
    try:
        samples = packet_samples(payload)
    except ValueError:
        return
    assert 120 <= samples <= MAX_PACKET_SAMPLES
    assert samples % 120 == 0


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        (b"\x00", 10),  # SILK narrow band
        (b"\x18", 60),
        (b"\x60", 10),  # hybrid
        (b"\x78", 20),
        (b"\x80", 2.5),  # CELT
        (b"\xf8\xff\xfe", 20),
        (b"\xf9", 40),  # two frames
        (b"\xfa\x01", 40),
        (b"\xfb\x06", 120),
        (b"\x1b\x82", 120),
    ],
)
def test_the_length_stands_in_the_first_bytes(payload: bytes, milliseconds: float) -> None:
    assert packet_samples(payload) == milliseconds * 48


@pytest.mark.parametrize("payload", [b"", b"\xfb", b"\xfb\x00", b"\xfb\x07", b"\x1b\x03"])
def test_it_refuses_what_is_no_packet(payload: bytes) -> None:
    with pytest.raises(ValueError, match="Opus packet"):
        packet_samples(payload)


@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60])
def test_it_agrees_with_libopus(frame_ms: float) -> None:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", 48_000
    encoder.options = {
        "frame_duration": str(frame_ms),
        "application": "lowdelay" if frame_ms < 10 else "voip",
    }
    size = int(frame_ms * 48)
    samples = np.random.default_rng(1).integers(-9000, 9000, (1, size), dtype=np.int16)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate, frame.pts = 48_000, 0
    for packet in encoder.encode(frame):
        assert packet_samples(bytes(packet)) == size


@given(st.integers(0, 200_000))
def test_silence_lasts_as_long_as_asked(samples: int) -> None:
    packets = silence_packets(samples)
    assert sum(packet_samples(packet) for packet in packets) == samples - samples % 120


def test_silence_is_silent_at_every_length() -> None:
    for packet in silence_packets(960 + 480 + 240 + 120):
        decoded = OpusDecoder().decode(packet)
        assert decoded.size == packet_samples(packet)
        assert not decoded.any()
    assert silence_packets(960) == [OPUS_SILENCE]


def test_a_voice_survives_the_round_trip_in_mono_and_about_32_kb_per_second() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    at = np.arange(100 * FRAME_SAMPLES)
    wave = (8000 * np.sin(2 * np.pi * 440 * at / 48_000)).astype(np.int16)
    packets = [encoder.encode(frame) for frame in wave.reshape(-1, FRAME_SAMPLES)]
    out = np.concatenate([decoder.decode(packet) for packet in packets])
    assert out.size == wave.size
    assert abs(np.abs(np.fft.rfft(out[48_000:])).argmax() * 48_000 / (out.size - 48_000) - 440) < 2
    assert 15_000 < sum(map(len, packets)) * 8 / 2.0 < 48_000


def test_a_packet_that_libopus_refuses_gives_no_samples() -> None:
    assert OpusDecoder().decode(b"\xfb\x00").size == 0
