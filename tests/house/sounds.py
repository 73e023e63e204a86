"""Voices for the virtual house, made from numbers: quick, and the same everywhere."""

import numpy as np

from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from tests.house.room import Floats, Samples

_PEAK = 14_000
_HARMONICS = 24


def voice(duration_s: float, *, seed: int = 1, pitch_hz: float = 120.0) -> Samples:
    """Babble: syllables of a gliding voice with two formants, hisses and pauses. Whole frames, (n,) int16."""
    random = np.random.default_rng(seed)
    count = round(duration_s * SAMPLE_RATE_HZ) // FRAME_SAMPLES * FRAME_SAMPLES
    sound, at = np.zeros(count), 0
    while at < count:
        length = min(round(random.uniform(0.12, 0.3) * SAMPLE_RATE_HZ), count - at)
        sound[at : at + length] = _syllable(random, length, pitch_hz)
        at += length + round(random.choice([0.02, 0.05, 0.05, 0.3]) * SAMPLE_RATE_HZ)
    return np.asarray(_PEAK * sound / np.max(np.abs(sound)), np.int16)


def _syllable(random: np.random.Generator, length: int, pitch_hz: float) -> Floats:
    at_s = np.arange(length) / SAMPLE_RATE_HZ
    glide = pitch_hz * random.uniform(0.8, 1.3) * (1 + random.uniform(-0.6, 0.6) * at_s)
    phase = 2 * np.pi * np.cumsum(glide) / SAMPLE_RATE_HZ
    formants = random.uniform(300, 800), random.uniform(900, 2500)
    sound = np.zeros(length)
    for number in range(1, _HARMONICS + 1):
        frequency = number * pitch_hz
        gain = sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in formants) + 0.02
        sound += gain * np.sin(number * phase + random.uniform(0, 6))
    sound += 0.1 * random.standard_normal(length)
    result: Floats = sound * np.hanning(length) ** 0.5 * random.uniform(0.5, 1.0)
    return result
