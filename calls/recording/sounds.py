"""The sound of calls on the disk: where it lies, and how it is opened and sealed.

A file has a key of its own, which stands in its row, wrapped by the key of its household (households.keys). A row
without one is of a hub that did not seal yet: its file is plain.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from calls.models import ListeningCopy, Recording
from common.files import file_writer_private
from households.keys import key_unwrap, key_wrap
from households.models import Household
from sealing.files import MAX_FRAME_BYTES, SealedReader, SealedWriter, new_key


def sound_path(name: str) -> Path:
    """Names are made by the hub; a name that leads out of the root is a bug."""
    path: Path = (settings.RECORDINGS_ROOT / name).resolve()
    if not path.is_relative_to(Path(settings.RECORDINGS_ROOT).resolve()):
        raise ValueError("a recording outside its root")
    return path


def sound_open(row: Recording | ListeningCopy) -> BinaryIO:
    """The sound in clear, to read and seek. Raises FileNotFoundError, SealError, Unavailable (households.keys)."""
    file = sound_path(row.name).open("rb")
    if not row.key:
        return file
    try:
        key = key_unwrap(household=row.household, wrapped=bytes(row.key), purpose=row.name)
        return io.BufferedReader(SealedReader(file, key), MAX_FRAME_BYTES)
    except BaseException:
        file.close()
        raise


def sound_key_wrap(*, household: Household, name: str, key: bytes) -> bytes:
    """For the row of the file `name`."""
    return key_wrap(household=household, key=key, purpose=name)


@contextmanager
def sound_scratch() -> Iterator[Path]:
    """A file in memory that FFmpeg can write and read again: what was said never lies on the disk in clear."""
    descriptor = os.memfd_create("sound")
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def sound_seal(source: Path, *, household: Household, name: str) -> bytes:
    """Write `source` under its name, sealed, whole or not at all. Its wrapped key, for the row. Raises OSError."""
    key = new_key()
    with source.open("rb") as plain, file_writer_private(sound_path(name)) as file:
        writer = SealedWriter(file.write, key)
        for block in iter(lambda: plain.read(MAX_FRAME_BYTES), b""):
            writer.put(block)
        writer.close()
    return sound_key_wrap(household=household, name=name, key=key)
