"""Which announcements this device has played, kept over power cuts, so that none plays twice."""

import json
import os
import time
from pathlib import Path
from uuid import UUID

from agent.files import make_private_dir, sync_dir, write_atomically

JOURNAL_FILE = "played.jsonl"
MAX_ENTRIES = 10_000


class Journal:
    """One JSON object per line, synced before `add` returns. A torn last line is dropped."""

    def __init__(self, data_dir: Path, *, max_entries: int = MAX_ENTRIES) -> None:
        make_private_dir(data_dir)
        self._path, self._max_entries = data_dir / JOURNAL_FILE, max_entries
        self._played = self._load()  # a dict as an ordered set, oldest first

    def __contains__(self, delivery_id: UUID) -> bool:
        return delivery_id in self._played

    def __len__(self) -> int:
        return len(self._played)

    def add(self, delivery_id: UUID) -> None:
        """Durable when it returns. Raises OSError."""
        if delivery_id in self._played:
            return
        self._played[delivery_id] = time.time()
        if len(self._played) > self._max_entries:
            self._shorten()
        else:
            self._append(_line(delivery_id, self._played[delivery_id]))

    def clear(self) -> None:
        self._played.clear()
        write_atomically(self._path, b"")

    def _load(self) -> dict[UUID, float]:
        played: dict[UUID, float] = {}
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return played
        for line in data.split(b"\n"):
            try:
                entry = json.loads(line)
                played[UUID(entry["delivery_id"])] = float(entry["played_at_s"])
            except (ValueError, TypeError, KeyError):
                continue
        if data and not data.endswith(b"\n"):
            self._rewrite(played)  # or the next entry would be glued to the torn one
        return played

    def _append(self, line: bytes) -> None:
        is_new = not self._path.exists()
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            sync_dir(self._path.parent)

    def _shorten(self) -> None:
        newest = list(self._played.items())[-self._max_entries // 2 :]
        self._played = dict(newest)
        self._rewrite(self._played)

    def _rewrite(self, played: dict[UUID, float]) -> None:
        write_atomically(
            self._path, b"".join(_line(delivery_id, at_s) for delivery_id, at_s in played.items())
        )


def _line(delivery_id: UUID, played_at_s: float) -> bytes:
    return (
        json.dumps({"delivery_id": str(delivery_id), "played_at_s": round(played_at_s, 3)}).encode() + b"\n"
    )
