"""`python -m media` as it is run, on the servers and the database of this process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import psutil

from calls.workers.placement import Worker, worker_list

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """With the test's own database, whose name only Django knows."""
    from django.conf import settings
    from django.db import connection

    url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    return dict(os.environ) | {"DATABASE_URL": url, "HUB_MEDIA_MAY_LOOPBACK": "1", "PYTHONUNBUFFERED": "1"}


class MediaProgram:
    """`with MediaProgram(processes=2) as media`. Its lines stand in `log`."""

    def __init__(self, *, processes: int, log: Path, prefix: tuple[str, ...] = ()) -> None:
        self.processes, self.log, self._prefix = processes, log, prefix

    def __enter__(self) -> "MediaProgram":
        command = [*self._prefix, sys.executable, "-m", "media", "--processes", str(self.processes)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log)
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Until every worker holds a lease."""
        deadline_s = time.monotonic() + timeout_s
        while len(self.workers()) < self.processes:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.05)

    def workers(self) -> list[Worker]:
        """The leases of its living children."""
        pids = {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}
        return [worker for worker in worker_list() if worker.pid in pids]

    def signal_worker(self, worker_id: str, number: signal.Signals) -> None:
        [pid] = [worker.pid for worker in self.workers() if worker.worker_id == worker_id]
        os.kill(pid, number)
