"""Sound from and to files: for tests and for the simulated device."""

import os
import struct
from pathlib import Path

import numpy as np
import structlog

from agent.audio import SILENCE, Samples, decode, padded
from agent.errors import AudioError
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ

log = structlog.get_logger(__name__)

MAX_MICROPHONE_S = 600.0
MAX_SPEAKER_BYTES = 1 << 30  # 3 h
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # RIFF with a 16-byte `fmt ` and `data`
_RIFF_SIZE_AT, _DATA_SIZE_AT = 4, 40


class FileMicrophone:
    """Plays the file once per call, from its start; then silence. With `loop` it starts over."""

    def __init__(self, path: Path, *, loops: bool) -> None:
        self._loops, self._position = loops, 0
        try:
            self._samples = decode(str(path), max_s=MAX_MICROPHONE_S)
        except AudioError as error:
            raise AudioError(f"The microphone file {path} cannot be used. {error}") from error

    @classmethod
    def from_name(cls, name: str) -> "FileMicrophone":
        path, _, option = name.removeprefix("file:").partition("?")
        if option not in ("", "loop"):
            raise AudioError(f"A file microphone knows no option {option!r}, only ?loop.")
        return cls(Path(path), loops=option == "loop")

    def open(self) -> None:
        self._position = 0

    def read(self) -> Samples:
        if self._loops and len(self._samples):
            positions = np.arange(self._position, self._position + FRAME_SAMPLES) % len(self._samples)
            self._position = (self._position + FRAME_SAMPLES) % len(self._samples)
            return self._samples[positions]
        if self._position >= len(self._samples):
            return SILENCE
        frame = padded(self._samples[self._position : self._position + FRAME_SAMPLES])
        self._position += FRAME_SAMPLES
        return frame

    def close(self) -> None:
        """The samples stay for the next call."""


class FileSpeaker:
    """Appends to a 48 kHz mono 16-bit WAV, valid after every frame, also when the process is killed."""

    def __init__(self, path: Path) -> None:
        self._path, self._handle, self._data_bytes, self._is_full = path, -1, 0, False
        self.open()
        self.close()

    @classmethod
    def from_name(cls, name: str) -> "FileSpeaker":
        return cls(Path(name.removeprefix("file:")))

    def open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise AudioError(f"The speaker file {self._path} cannot be written: {error.strerror}.") from error
        size = os.fstat(self._handle).st_size
        if size == 0:
            os.pwrite(self._handle, _header(0), 0)
        elif os.pread(self._handle, _HEADER.size, 0)[8:_DATA_SIZE_AT] != _header(0)[8:_DATA_SIZE_AT]:
            self.close()
            raise AudioError(f"{self._path} exists and is not a 48 kHz mono WAV file. It is left as it is.")
        # Samples that came after the last header are kept; half a sample is not.
        self._data_bytes = max(0, size - _HEADER.size) // 2 * 2
        self._write_sizes()

    def write(self, samples: Samples) -> None:
        if self._is_full:
            return
        if self._data_bytes + 2 * len(samples) > MAX_SPEAKER_BYTES:
            self._is_full = True
            log.warning("The speaker file is full, nothing more is written to it.", path=str(self._path))
            return
        os.pwrite(self._handle, samples.astype("<i2").tobytes(), _HEADER.size + self._data_bytes)
        self._data_bytes += 2 * len(samples)
        self._write_sizes()

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _write_sizes(self) -> None:
        os.pwrite(self._handle, struct.pack("<I", _HEADER.size - 8 + self._data_bytes), _RIFF_SIZE_AT)
        os.pwrite(self._handle, struct.pack("<I", self._data_bytes), _DATA_SIZE_AT)


def _header(data_bytes: int) -> bytes:
    fmt = (16, 1, 1, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ, 2, 16)
    return _HEADER.pack(b"RIFF", _HEADER.size - 8 + data_bytes, b"WAVE", b"fmt ", *fmt, b"data", data_bytes)
