"""How far downloads are, for the status page: one small file that any process can read."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO

from common.speech_models.catalogue import CatalogueModel
from common.speech_models.store import downloads_root

_FILE_NAME = ".progress.json"
_LOCK_NAME = ".progress.lock"
_STALE_S = 30.0
_QUEUED_TOO_LONG_S = 600.0  # the broker lost it


class State(StrEnum):
    QUEUED = "queued"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    READY = "ready"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # nobody has written for a while: that process is gone


@dataclass(frozen=True, kw_only=True)
class Progress:
    """`updated_at_s` is wall time (Unix). `reason` is a sentence, when it failed."""

    model_id: str
    state: State
    received_bytes: int
    total_bytes: int
    updated_at_s: float
    reason: str = ""

    @property
    def percent(self) -> int:
        return min(100, 100 * self.received_bytes // self.total_bytes) if self.total_bytes else 0


def progress_read(now_s: float) -> list[Progress]:
    """Every download that was begun, by model; none when the file is not there or half readable."""
    return [_as_of(progress, now_s) for progress in _read(downloads_root() / _FILE_NAME).values()]


def progress_write(progress: Progress) -> None:
    with _changing() as entries:
        entries[progress.model_id] = progress


def progress_queue(model: CatalogueModel, now_s: float) -> None:
    """Somebody asked for it; it begins when the chores before it are done."""
    total = model.size_bytes
    progress_write(
        Progress(
            model_id=model.id, state=State.QUEUED, received_bytes=0, total_bytes=total, updated_at_s=now_s
        )
    )


def _as_of(progress: Progress, now_s: float) -> Progress:
    patience_s = {State.DOWNLOADING: _STALE_S, State.CHECKING: _STALE_S, State.QUEUED: _QUEUED_TOO_LONG_S}
    if now_s - progress.updated_at_s > patience_s.get(progress.state, float("inf")):
        return replace(progress, state=State.INTERRUPTED, reason="The download was interrupted.")
    return progress


@contextmanager
def _changing() -> Iterator[dict[str, Progress]]:
    root = downloads_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK_NAME).open("w") as lock:
        _lock(lock)
        entries = _read(root / _FILE_NAME)
        yield entries
        partial = root / f"{_FILE_NAME}.part"
        partial.write_text(json.dumps([asdict(entry) for entry in entries.values()]), encoding="utf-8")
        partial.replace(root / _FILE_NAME)


def _lock(file: IO[str]) -> None:
    fcntl.flock(file, fcntl.LOCK_EX)


def _read(path: Path) -> dict[str, Progress]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {entry["model_id"]: Progress(**{**entry, "state": State(entry["state"])}) for entry in entries}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
