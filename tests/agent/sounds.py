"""Sounds that tests make and measure."""

import io
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


def tone(*, hz: float, seconds: float, rate_hz: int = 48_000, level: int = 8000) -> Samples:
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * hz * at_s)).astype(np.int16)


def wav_bytes(samples: Samples, *, rate_hz: int = 48_000) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return data.getvalue()


def write_wav(path: Path, *, hz: float, seconds: float, rate_hz: int = 48_000) -> None:
    path.write_bytes(wav_bytes(tone(hz=hz, seconds=seconds, rate_hz=rate_hz), rate_hz=rate_hz))


def read_wav(path: Path) -> Samples:
    """Raises wave.Error for a file that is not whole."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        data = file.readframes(file.getnframes())
        assert len(data) == 2 * file.getnframes()
    return np.frombuffer(data, "<i2").astype(np.int16)
