"""Opus packets: how long they are, silence of a given length, and one encoder and decoder for voice."""

from fractions import Fraction
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from protocol.audio import FRAME_SAMPLES, OPUS_SILENCE, SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]

MAX_PACKET_SAMPLES: Final = 5760  # 120 ms, RFC 6716 section 3.2.5
MAX_PACKET_BYTES: Final = 1500
VOICE_BITRATE_BPS: Final = 32_000
SHORTEST_FRAME_SAMPLES: Final = 120  # 2.5 ms

# Samples per frame at 48 kHz by configuration, RFC 6716 section 3.1, table 2.
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAME_SAMPLES: Final = _SILK * 3 + _HYBRID * 2 + _CELT * 4

# CELT fullband configurations 28 to 31 with the same two bytes that decode to digital silence.
_SILENCES: Final = (
    (960, OPUS_SILENCE),
    (480, b"\xf0\xff\xfe"),
    (240, b"\xe8\xff\xfe"),
    (120, b"\xe0\xff\xfe"),
)


def packet_samples(payload: bytes) -> int:
    """Length of one Opus packet in samples at 48 kHz per channel (RFC 6716 section 3.1).

    Raises ValueError where the packet is malformed (requirements R1, R2 and R5 of section 3.4).
    """
    if not payload:
        raise ValueError("an Opus packet has at least one byte")
    frame = _FRAME_SAMPLES[payload[0] >> 3]
    code = payload[0] & 0x03
    if code < 3:
        return frame if code == 0 else 2 * frame
    if len(payload) < 2:
        raise ValueError("an Opus packet of code 3 has a frame count")
    samples = frame * (payload[1] & 0x3F)
    if not 0 < samples <= MAX_PACKET_SAMPLES:
        raise ValueError("an Opus packet lasts from 2.5 to 120 ms")
    return samples


def silence_packets(samples: int) -> list[bytes]:
    """Packets that last `samples` (48 kHz) together, rounded down to 2.5 ms, and decode to digital silence."""
    packets: list[bytes] = []
    for length, packet in _SILENCES:
        count, samples = divmod(samples, length)
        packets += [packet] * count
    return packets


def mono_samples(frame: av.AudioFrame) -> Samples:
    """The samples of a mono s16 frame, shape (samples,)."""
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


class OpusEncoder:
    """Mono voice at 32 kb/s with in-band FEC. One call of `encode` costs about 0.5 ms."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.bit_rate = VOICE_BITRATE_BPS
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = SAMPLE_RATE_HZ
        self._codec.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._codec.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": "5"}
        self._pts = 0

    def encode(self, samples: Samples) -> bytes:
        """One frame of 960 samples, shape (960,), to one packet; b"" while the encoder still fills."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, FRAME_SAMPLES), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = self._pts
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._pts += FRAME_SAMPLES
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class OpusDecoder:
    """Packets to 48 kHz mono. One call of `decode` costs about 0.1 ms."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = SAMPLE_RATE_HZ

    def decode(self, payload: bytes) -> Samples:
        """Shape (samples,). A packet that libopus refuses gives no samples."""
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError:
            return np.zeros(0, dtype=np.int16)
        parts = [mono_samples(frame) for frame in frames]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16)
