"""What lies in a hub's files while it works, and whether any of it is sound in clear."""

import io
import os
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from tests.calls.plain_sound import PlainSound

HEARD_HZ: Final = (440.0, 1000.0)  # what the two ends say
_LOOKS_EVERY_S: Final = 0.2
_BURIED_BYTES: Final = 100_001
_MOST_PAYLOADS: Final = 4000


@dataclass
class Watch:
    """`seen`: every file that was there at any look, as it was last."""

    folders: tuple[Path, ...]
    seen: dict[Path, bytes] = field(default_factory=dict)

    def look(self) -> None:
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                with suppress(OSError):  # it went away meanwhile
                    if path.is_file():
                        self.seen[path] = path.read_bytes()


@contextmanager
def watched(*folders: Path) -> Iterator[Watch]:
    """Looks all the time, in a thread."""
    watch, is_over = Watch(folders), threading.Event()

    def run() -> None:
        while not is_over.wait(_LOOKS_EVERY_S):
            watch.look()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        is_over.set()
        thread.join()
        watch.look()


@contextmanager
def payloads() -> Iterator[list[bytes]]:
    """The packets that the ends of this process send."""
    from aiortc.codecs.opus import OpusEncoder

    usual = OpusEncoder.encode
    said: list[bytes] = []

    def encode(self: Any, *args: Any, **named: Any) -> Any:
        packets, timestamp = usual(self, *args, **named)
        if len(said) < _MOST_PAYLOADS:
            said.extend(packets)
        return packets, timestamp

    OpusEncoder.encode = encode  # type: ignore[method-assign]
    try:
        yield said
    finally:
        OpusEncoder.encode = usual  # type: ignore[method-assign]


def found_in(finder: "PlainSound", files: dict[str, bytes]) -> list[str]:
    """Each file with sound in clear, and how it was found."""
    looks = ((name, finder.look(data)) for name, data in files.items())
    return [f"{name}: {', '.join(sorted(forms))}" for name, forms in looks if forms]


def planted(recording: bytes, copy: bytes) -> dict[str, bytes]:
    """The same sound in every form in which it could be left: whole, in pieces without a beginning, as samples."""
    samples = np.sin(2 * np.pi * HEARD_HZ[0] * np.arange(48_000) / 48_000) / 2
    shorts = (samples * 32767).astype("<i2").tobytes()
    third, half = len(recording) // 3, len(copy) // 2
    forms = {
        "a recording": recording,
        "the middle of a recording": recording[third : third + 600],
        "a recording without the signs of its pages": recording.replace(b"OggS", b"    ").replace(
            b"Opus", b"    "
        ),
        "a listening copy": copy,
        "the middle of a listening copy": copy[half : half + 600],
        "a WAV file": _wav(shorts),
        "samples": shorts,
        "samples at 16 kHz": (samples[::3] * 32767).astype("<i2").tobytes(),
        "samples as floats": samples.astype("<f4").tobytes(),
        "quiet samples of two channels": (np.repeat(samples, 2) * 300).astype("<i2").tobytes(),
    }
    return {
        name: os.urandom(_BURIED_BYTES) + data + os.urandom(_BURIED_BYTES) for name, data in forms.items()
    }


def _wav(samples: bytes) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(samples)
    return target.getvalue()
