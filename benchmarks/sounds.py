"""Sounds that show when they arrive: a whisper of noise from the first sample on, then a sentence."""

import time
import wave
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from announcements.speech import speak
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from tests.e2e.house import Device

Samples = npt.NDArray[np.int16]

_NOISE_PEAK: Final = 60  # of 32767: -59 dBFS, a quiet room; faster-whisper reads the same words with it
_NOISE_ABOVE_HZ: Final = 3000  # over every sound that a device makes by itself
_AUDIBLE: Final = 4.0  # root mean square above that frequency, of 32767; the noise has 30


def microphone_write(path: Path, text: str, *, lead_s: float) -> float:
    """A WAV file, 48 kHz mono: noise all the way, and `text` after `lead_s`. Returns its seconds."""
    lead, tail = np.zeros(round(lead_s * SAMPLE_RATE_HZ), np.int16), np.zeros(SAMPLE_RATE_HZ, np.int16)
    samples = np.concatenate([lead, *speak(text), tail]).astype(np.int32)
    samples += np.random.default_rng(1).integers(-_NOISE_PEAK, _NOISE_PEAK + 1, len(samples))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.clip(samples, -32768, 32767).astype("<i2").tobytes())
    return len(samples) / SAMPLE_RATE_HZ


class SpeakerClock:
    """Which sample of a device's speaker file was played when. Look a few times during a call."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._begin = round(device.played_s() * SAMPLE_RATE_HZ)
        self._zero_at_s: float | None = None  # Unix time of the file's first sample, had it run all along

    def look(self) -> None:
        """A look can only come late after the write, so the earliest zero is the right one."""
        played_s = self._device.played_s()
        if played_s * SAMPLE_RATE_HZ > self._begin:
            zero_at_s = time.time() - played_s
            self._zero_at_s = zero_at_s if self._zero_at_s is None else min(self._zero_at_s, zero_at_s)

    def noise_at_s(self) -> float | None:
        """Unix time at which the first noise of the other end was played; None when there was none."""
        with wave.open(str(self._device.speaker), "rb") as file:
            file.setpos(self._begin)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        place = noise_find(samples)
        if place is None or self._zero_at_s is None:
            return None
        return self._zero_at_s + (self._begin + place) / SAMPLE_RATE_HZ


def noise_find(samples: Samples) -> int | None:
    """Where the first 20 ms begin that hold sound above 3 kHz. `samples`: (n,) int16 at 48 kHz."""
    window = np.hanning(FRAME_SAMPLES)
    low_bins = round(_NOISE_ABOVE_HZ * FRAME_SAMPLES / SAMPLE_RATE_HZ)
    for begin in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        spectrum = np.fft.rfft(samples[begin : begin + FRAME_SAMPLES] * window)
        power = 2 * np.sum(np.abs(spectrum[low_bins:]) ** 2) / FRAME_SAMPLES / np.sum(window**2)
        if power > _AUDIBLE**2:
            return begin
    return None
