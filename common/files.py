"""Files that nobody else may read."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def folder_make_private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Of all processes of this machine, one at a time. The folder itself is locked, so that it may be emptied."""
    lock = os.open(folder_make_private(folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def file_write_private(path: Path, data: bytes) -> None:
    """Whole or not at all, mode 0600."""
    with file_writer_private(path) as file:
        file.write(data)


@contextmanager
def file_writer_private(path: Path) -> Iterator[BinaryIO]:
    """A file that appears whole or not at all, mode 0600: written beside its place, then renamed."""
    folder_make_private(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
