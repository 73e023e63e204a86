"""The parent of several workers: starts them, listens to their heartbeats, kills a hung one, replaces a dead one.

Each child is forked from this process, which has loaded the code and nothing else: no event loop, no thread that
matters, no connection. So a new worker is ready within a fraction of a second. A pair of sockets leads to each child:
it writes a byte several times a second, and reads which workers have ended and how, one a line: `ID ended` or
`ID failed`.
"""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from media.supervise import log_failure

log = structlog.get_logger(__name__)

BEAT: Final = b"."
READY: Final = b"+"  # the beat of one that has come as far as its lease
ENDED: Final = "ended"
FAILED: Final = "failed"  # it was ready, and nobody had told it to end
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_READ_BYTES: Final = 4096


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds."""

    look_s: float = 0.1
    late_s: float = 2.0  # a child that was silent for so long is killed
    first_beat_s: float = 30.0  # a starting one has more time
    drain_s: float = (
        57.0  # what children may take to end: media.child.DRAIN_S for the calls, the rest for their files
    )
    steady_s: float = 5.0  # a child that ran for so long is replaced at once
    backoff_first_s: float = 0.5
    backoff_most_s: float = 30.0


@dataclass(kw_only=True)
class _Child:
    worker_id: str
    pid: int
    wire: socket.socket
    started_at_s: float
    beat_at_s: float
    has_beaten: bool = False
    was_ready: bool = False
    is_killed: bool = False


@dataclass(kw_only=True)
class _Place:
    """One of the workers that should be there, whoever fills it now."""

    child: _Child | None = None
    start_at_s: float = 0.0
    backoff_s: float = field(default=0.0)


class Parent:
    """`run` returns when a signal came and every child has ended. Main thread only; made once per process."""

    def __init__(
        self,
        *,
        count: int,
        new_id: Callable[[], str],
        run_child: Callable[[str, socket.socket], int],
        tie: Callable[[], None],
        timings: Timings | None = None,
    ) -> None:
        """`run_child` runs in the child and returns its exit status; `tie` makes it die with this process."""
        self._new_id, self._run_child, self._tie = new_id, run_child, tie
        self._timings = timings or Timings()
        self._places = [_Place() for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        self._signals, self._wake = socket.socketpair()
        self._stop_count = 0
        self._stop_by_s = 0.0
        self._looked_at_s = time.monotonic()

    @property
    def _children(self) -> list[_Child]:
        return [place.child for place in self._places if place.child is not None]

    def run(self) -> int:
        """The exit status: 0."""
        self._listen()
        while not self._stop_count or self._children:
            if not self._stop_count:
                self._start_due()
            self._read(self._timings.look_s)
            self._reap()
            self._kill_late()
        self._selector.close()
        signal.set_wakeup_fd(-1)
        for number in STOP_SIGNALS:  # else one that comes while the interpreter ends would kill it
            signal.signal(number, signal.SIG_IGN)
        return 0

    # Signals

    def _listen(self) -> None:
        self._signals.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(self._signals, selectors.EVENT_READ)

    def _read(self, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            if key.fileobj is self._signals:
                for number in self._signals.recv(_READ_BYTES):
                    if number in STOP_SIGNALS:
                        self._stop()
            else:
                self._beat(key.data)

    def _stop(self) -> None:
        """The first time the children drain, the second time they end at once, the third time they are killed."""
        self._stop_count += 1
        self._stop_by_s = self._stop_by_s or time.monotonic() + self._timings.drain_s
        log.info("media_parent_stopping", count=self._stop_count)
        for child in self._children:
            _kill(child, signal.SIGTERM if self._stop_count < 3 else signal.SIGKILL)

    # Heartbeats

    def _beat(self, child: _Child) -> None:
        try:
            data = child.wire.recv(_READ_BYTES)
        except OSError:
            data = b""
        if data:
            child.beat_at_s, child.has_beaten = time.monotonic(), True
            child.was_ready = child.was_ready or READY in data
        else:  # it has closed its end, so it is about to end; the reaper sees that
            self._selector.unregister(child.wire)
            child.wire.close()

    def _kill_late(self) -> None:
        now_s = time.monotonic()
        stalled_s, self._looked_at_s = now_s - self._looked_at_s, now_s
        for child in self._children:
            if stalled_s > self._timings.late_s / 2:
                child.beat_at_s = now_s  # this process was held up itself, so the silence says nothing
            limit_s = self._timings.late_s if child.has_beaten else self._timings.first_beat_s
            is_over = self._stop_count and now_s > self._stop_by_s
            if not child.is_killed and (now_s - child.beat_at_s > limit_s or is_over):
                child.is_killed = True  # a large process takes a moment to end
                log.error(
                    "media_worker_killed", worker_id=child.worker_id, is_draining=bool(self._stop_count)
                )
                _kill(child, signal.SIGKILL)

    # Children

    def _start_due(self) -> None:
        for place in self._places:
            if place.child is None and time.monotonic() >= place.start_at_s:
                place.child = self._fork()

    def _fork(self) -> _Child:
        worker_id = self._new_id()
        ours, theirs = socket.socketpair()
        # A signal between fork and the child's own handlers would be written to our wake-up socket.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        parent_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(worker_id, ours, theirs, parent_pid)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()
        ours.setblocking(False)
        now_s = time.monotonic()
        child = _Child(worker_id=worker_id, pid=pid, wire=ours, started_at_s=now_s, beat_at_s=now_s)
        self._selector.register(ours, selectors.EVENT_READ, child)
        return child

    def _become_child(
        self, worker_id: str, ours: socket.socket, theirs: socket.socket, parent_pid: int
    ) -> None:
        """Never returns."""
        status = 1
        try:
            self._tie()
            signal.set_wakeup_fd(-1)
            for number in (*STOP_SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            self._selector.close()
            for other in (ours, self._signals, self._wake, *(child.wire for child in self._children)):
                other.close()
            if os.getppid() == parent_pid:  # else it died before it could be tied to it
                status = self._run_child(worker_id, theirs)
        except BaseException as error:  # noqa: BLE001 - whatever it is, this fork must not go on as the parent
            log_failure("media_worker_failed", error, worker_id=worker_id)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        for place in self._places:
            child = place.child
            if child is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                place.child = None
                self._ended(place, child, os.waitstatus_to_exitcode(status))

    def _ended(self, place: _Place, child: _Child, status: int) -> None:
        if child.wire.fileno() >= 0:
            self._selector.unregister(child.wire)
            child.wire.close()
        ran_for_s = time.monotonic() - child.started_at_s
        if ran_for_s >= self._timings.steady_s:
            place.backoff_s = 0.0
        place.start_at_s = time.monotonic() + place.backoff_s
        place.backoff_s = min(
            self._timings.backoff_most_s, max(self._timings.backoff_first_s, 2 * place.backoff_s)
        )
        has_failed = status != 0 and child.was_ready and not self._stop_count
        (log.warning if has_failed else log.info)(
            "media_worker_ended", worker_id=child.worker_id, status=status
        )
        if not self._stop_count:
            self._start_due()
        for other in self._children:
            with suppress(OSError):  # a child that does not read is late soon
                other.wire.send(f"{child.worker_id} {FAILED if has_failed else ENDED}\n".encode())


def _kill(child: _Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(child.pid, number)
