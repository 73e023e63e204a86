"""What happens to speech between a mouth and the recogniser: room, noise, level, Opus, lost packets."""

import random
from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, resample_poly

RATE_HZ = 16_000
_OPUS_HZ, _OPUS_FRAME = 48_000, 960
# What a recording holds where a packet did not arrive: 20 ms that decode to silence.
_OPUS_SILENCE = b"\xf8\xff\xfe"

Samples = NDArray[np.float32]


def opus_round_trip(samples: Samples, kbps: int, rng: random.Random, loss: float = 0.0) -> Samples:
    """16 kHz float -> Opus (48 kHz mono, 20 ms) -> 16 kHz float of the same length; `loss` from 0 to 1."""
    wide = resample_poly(samples, 3, 1)
    pcm = (np.clip(wide, -1, 1) * 32767).astype(np.int16)
    pcm = np.pad(pcm, (0, -len(pcm) % _OPUS_FRAME + _OPUS_FRAME))
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = _OPUS_HZ, "mono"
    decoded = []
    for packet in _encoded(pcm, kbps):
        for frame in decoder.decode(_silent(packet) if rng.random() < loss else packet):
            part = frame.to_ndarray().reshape(-1)
            decoded.append(part.astype(np.float32) / (32768 if part.dtype == np.int16 else 1))
    narrow = resample_poly(np.concatenate(decoded), 1, 3).astype(np.float32)[: len(samples)]
    return np.pad(narrow, (0, len(samples) - len(narrow)))


def _silent(packet: av.Packet) -> av.Packet:
    silence = av.Packet(_OPUS_SILENCE)
    silence.pts, silence.time_base = packet.pts, packet.time_base
    return silence


def _encoded(pcm: NDArray[np.int16], kbps: int) -> Iterator[av.Packet]:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.layout = _OPUS_HZ, "s16", "mono"
    encoder.bit_rate = kbps * 1000
    encoder.options = {"application": "voip", "frame_duration": "20"}
    encoder.open()
    for start in range(0, len(pcm), _OPUS_FRAME):
        frame = av.AudioFrame.from_ndarray(
            pcm[None, start : start + _OPUS_FRAME], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = _OPUS_HZ, start
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def normalised(samples: Samples, peak: float = 1.0) -> Samples:
    return (peak * samples / (np.abs(samples).max() + 1e-6)).astype(np.float32)


def degraded(samples: Samples, rng: random.Random, noise: np.random.Generator) -> Samples:
    """One random way through room, level, noise and Opus."""
    result = normalised(samples)
    if rng.random() < 0.3:
        result = normalised(_in_room(result, rng, noise))
    result = result * np.float32(10 ** (rng.uniform(-14, 0) / 20))
    if rng.random() < 0.4:
        result = _noisy(result, rng, noise)
    if rng.random() < 0.5:
        loss = rng.choice([0.0, 0.0, 0.01, 0.03, 0.06])
        result = opus_round_trip(np.clip(result, -1, 1), rng.choice([24, 28, 32, 64]), rng, loss)
    return result.astype(np.float32)


def _in_room(samples: Samples, rng: random.Random, noise: np.random.Generator) -> Samples:
    """A few early reflections and a short exponential tail."""
    size = int(RATE_HZ * rng.uniform(0.03, 0.15))
    response = noise.standard_normal(size) * np.exp(-np.arange(size) / size * 6) * rng.uniform(0.02, 0.12)
    response[0] = 1
    return fftconvolve(samples, response)[: len(samples)].astype(np.float32)


def _noisy(samples: Samples, rng: random.Random, noise: np.random.Generator) -> Samples:
    """White or duller noise, 15 to 40 dB below the speech."""
    hiss = noise.standard_normal(len(samples))
    if rng.random() < 0.5:
        hiss = np.convolve(hiss, np.ones(8) / 8**0.5, "same")
    level = np.sqrt((samples**2).mean()) * 10 ** (-rng.uniform(15, 40) / 20)
    return (samples + hiss * level).astype(np.float32)
