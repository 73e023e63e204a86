"""`manage.py up` as a person runs it, for tests: its lines, and every process that belongs to its data folder."""

import os
import queue
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
NOT_FOR_IT = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "HUB_URL", "CI")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def environment_for(data_dir: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_IT}
    return kept | {"HUB_DATA_DIR": str(data_dir), "HUB_SPEECH_MODELS": "demo"}


def open_to_others(folder: Path) -> list[str]:
    """What somebody else on this computer could read or change: nothing, where the folder itself is closed."""
    found = []
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and not stat.S_ISSOCK(mode) and mode & 0o077:
            found.append(f"{path.relative_to(folder)} {mode & 0o777:o}")
    return found


class HubProcess:
    """A running `manage.py up`."""

    def __init__(
        self,
        data_dir: Path,
        *words: str,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--host", "127.0.0.1", "--port", str(self.port), *words],
            cwd=ROOT,
            env=environment_for(data_dir) | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def until(self, pattern: str, *, within_s: float = 120.0) -> re.Match[str]:
        """The first line, from here on, in which `pattern` is found. Raises AssertionError with all lines."""
        deadline_s = time.monotonic() + within_s
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"{pattern!r} did not appear in:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def so_far(self) -> list[str]:
        """All its lines up to now."""
        while not self._queue.empty():
            if (line := self._queue.get_nowait()) is not None:
                self.lines.append(line)
        return self.lines

    def rest(self) -> str:
        """Its last lines; waits for its end."""
        self.process.wait(timeout=30)
        self._reader.join(timeout=10)
        while (line := self._queue.get(timeout=10)) is not None:
            self.lines.append(line)
        return "\n".join(self.lines)

    def end(self, number: signal.Signals, *, within_s: float = 10.0) -> float:
        """Send `number` and wait until nothing of the hub is left; the seconds it took. Fails after `within_s`."""
        began_s = time.monotonic()
        family = processes_of(self.data_dir)
        self.process.send_signal(number)
        _, alive = psutil.wait_procs(family, timeout=within_s)
        took_s = time.monotonic() - began_s
        left = {process.pid: process for process in (*alive, *processes_of(self.data_dir))}
        assert not left, f"left after {took_s:.1f} s: {list(left.values())}"
        self.process.wait(timeout=5)
        return took_s

    def close(self) -> None:
        for process in processes_of(self.data_dir):
            with suppress(psutil.NoSuchProcess):  # its parent's end may have been its own
                process.kill()
        self.process.wait(timeout=10)
        if self.process.stdout:
            self._reader.join(timeout=10)
            self.process.stdout.close()


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Every process that works on `data_dir`: it stands in its command line, environment or working folder."""
    return [process for process in psutil.process_iter() if _belongs(process, str(data_dir))]


def commands_of(data_dir: Path) -> dict[psutil.Process, list[str]]:
    """The words of each one's command line. One that ends in this moment is left out."""
    found = {}
    for process in processes_of(data_dir):
        with suppress(psutil.NoSuchProcess):
            found[process] = process.cmdline()
    return found


def _belongs(process: psutil.Process, data_dir: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return (
            any(data_dir in word for word in process.cmdline())
            or process.environ().get("HUB_DATA_DIR") == data_dir
            or process.cwd().startswith(data_dir)
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
