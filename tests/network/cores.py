"""When a core did nothing for anybody, since the host used it otherwise."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.network.stalls import TICK_S, Stall


@contextmanager
def core_watched(core: int) -> Iterator[list[Stall]]:
    """Filled at the end. A thread of real-time priority wakes there every 2 ms, whatever else runs. Needs root."""
    found: list[Stall] = []
    command = [sys.executable, "-m", "tests.network.cores", str(core)]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield found
    finally:
        said, _ = process.communicate("")
        found.extend((begin_s, end_s) for begin_s, end_s in json.loads(said))


def own_s(stall: Stall, others: Iterable[Stall]) -> float:
    """What is left of a stall without the part of it in which the core stood still."""
    begin_s, end_s = stall
    shared_s = sum(max(0.0, min(end_s, other[1]) - max(begin_s, other[0])) for other in others)
    return end_s - begin_s - shared_s


def _watch_core(core: int) -> list[Stall]:
    """Until the other end closes stdin."""
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.set_blocking(sys.stdin.fileno(), False)
    found: list[Stall] = []
    while _is_open():
        due_s = time.monotonic() + TICK_S
        time.sleep(TICK_S)
        if (now_s := time.monotonic()) - due_s > TICK_S:
            found.append((due_s, now_s))
    return found


def _is_open() -> bool:
    try:
        return os.read(sys.stdin.fileno(), 1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    print(json.dumps(_watch_core(int(sys.argv[1]))))
