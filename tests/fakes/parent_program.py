"""A parent with children that do nothing but what their test needs: `python -m tests.fakes.parent_program HOW`.

Each child prints `start ID PID SECONDS` and then every line that its parent sends it.
"""

import itertools
import os
import signal
import socket
import sys
import time
from dataclasses import replace

from common.processes import die_with_parent
from media.parent import BEAT, READY, Parent, Timings

TIMINGS = Timings(late_s=0.6, first_beat_s=1.2, drain_s=1.5, steady_s=0.3, backoff_first_s=0.3)
OTHERS = {
    "large": replace(TIMINGS, look_s=0.0),
    "beat": replace(TIMINGS, backoff_first_s=20.0),  # who is replaced sooner than that was replaced at once
    "dogged": replace(TIMINGS, drain_s=20.0),
}
LARGE_BYTES = 200_000_000  # the kernel needs a while to take it back


def say(line: str) -> None:
    """In one write: the lines of several processes must not mix."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def child(how: str, worker_id: str, wire: socket.socket) -> int:
    say(f"start {worker_id} {os.getpid()} {time.monotonic()}")
    ends: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ends.append(number))
    if how == "crash":
        return 3
    wire.settimeout(0.1)
    held = b"x" * LARGE_BYTES if how == "large" else b""
    for beat in itertools.count():
        if how != "mute" and not (how in ("hang", "large") and beat > 3):
            wire.send(BEAT if how == "early" else READY)
        try:
            say(f"heard {worker_id} {wire.recv(1000).decode().strip()}")
        except TimeoutError:
            if ends and how not in ("stubborn", "dogged"):
                return 0
    return len(held)


def main(how: str, count: int) -> int:
    numbers = itertools.count(1)
    parent = Parent(
        count=count,
        new_id=lambda: f"w{next(numbers)}",
        run_child=lambda worker_id, wire: child(how, worker_id, wire),
        tie=die_with_parent,
        timings=OTHERS.get(how, TIMINGS),
    )
    return parent.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
