"""Files that nobody else may read."""

import os
import tempfile
from pathlib import Path


def folder_make_private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def file_write_private(path: Path, data: bytes) -> None:
    """Whole or not at all, mode 0600: written beside its place, then renamed."""
    folder_make_private(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
