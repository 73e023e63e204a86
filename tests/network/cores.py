"""How much of a core's time the host of this virtual machine gave to others, as the kernel counts it (proc(5))."""

import json
import os
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.network.stalls import TICK_S, Stall

_STEAL: Final = 8  # the column in a line of /proc/stat
_COUNTED_WITHIN_S: Final = 0.012  # at the kernel's next tick, in hundredths of a second

Stolen = tuple[
    float, float
]  # when it grew (CLOCK_MONOTONIC), and how much it was in all since the machine began


@contextmanager
def core_watched(core: int) -> Iterator[list[Stolen]]:
    """Filled at the end. A thread of real-time priority looks every 2 ms, whatever else runs there. Needs root."""
    found: list[Stolen] = []
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
        found.extend((at_s, total_s) for at_s, total_s in json.loads(said))


def own_s(stall: Stall, stolen: Sequence[Stolen]) -> float:
    """What is left of a stall without the time that was stolen meanwhile."""
    begin_s, end_s = stall
    return end_s - begin_s - (_until(end_s + _COUNTED_WITHIN_S, stolen) - _until(begin_s, stolen))


def _until(at_s: float, stolen: Sequence[Stolen]) -> float:
    """In all, at that time. Before the first look nothing is known to have grown."""
    place = bisect_right(stolen, at_s, key=lambda one: one[0])
    return stolen[max(0, place - 1)][1] if stolen else 0.0


def _watch_core(core: int) -> list[Stolen]:
    """Until the other end closes stdin."""
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.set_blocking(sys.stdin.fileno(), False)
    found = [(time.monotonic(), _stolen_s(core))]
    while _is_open():
        time.sleep(TICK_S)
        if (total_s := _stolen_s(core)) != found[-1][1]:
            found.append((time.monotonic(), total_s))
    return found


def _stolen_s(core: int) -> float:
    lines = Path("/proc/stat").read_text().splitlines()
    fields = next(line.split() for line in lines if line.startswith(f"cpu{core} "))
    return int(fields[_STEAL]) / os.sysconf("SC_CLK_TCK")


def _is_open() -> bool:
    try:
        return os.read(sys.stdin.fileno(), 1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    print(json.dumps(_watch_core(int(sys.argv[1]))))
