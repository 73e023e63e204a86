"""Keeps the hub's processes running, with one log, and ends all of them when it ends.

Every child is the leader of its own session, so Ctrl-C in the terminal reaches only the supervisor, and a whole
family can be killed at once. Every child dies with the supervisor (common.processes).
"""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Protocol

from common.processes import before_exec
from config.env import BASE_DIR
from config.log_lines import LogLines
from config.programs import Program

BACKOFF_FIRST_S = 0.5
BACKOFF_MOST_S = 30.0
STEADY_AFTER_S = 30.0  # a child that ran this long starts again without a delay that had grown
# Together with the 3 s of each server this keeps the whole end below 10 s.
STOP_POLITE_S = 1.0  # workers of other hosts may take calls over
STOP_URGENT_S = 1.5
STOP_LAST_S = 1.5
SERVER_LOOK_EVERY_S = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Server(Protocol):
    """A private server of config.embedded."""

    @property
    def name(self) -> str: ...

    def ended(self) -> int | None: ...

    def spawn(self) -> None: ...


class Backoff:
    """Seconds to wait before the next start: doubling, until one run was long enough."""

    def __init__(self) -> None:
        self._next_s = BACKOFF_FIRST_S

    def after(self, ran_for_s: float) -> float:
        if ran_for_s >= STEADY_AFTER_S:
            self._next_s = BACKOFF_FIRST_S
        delay_s, self._next_s = self._next_s, min(BACKOFF_MOST_S, self._next_s * 2)
        return delay_s


class Supervisor:
    """`run` returns when `stop` was called or a signal came, and every child has ended.

    `failed` is run with the name of each child or server that failed and is started again.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        log: LogLines,
        failed: Callable[[str], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self.environment = environment
        self.log = log
        self._failed = failed
        self.stopping = asyncio.Event()
        self.children: dict[str, Process] = {}
        self._last: set[str] = set()  # names of programs that end after the others
        self._jobs: list[asyncio.Task[None]] = []
        self._notes: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Ask for the end; the second time, end at once."""
        if self.stopping.is_set():
            _signal(self.children.values(), signal.SIGKILL)
            return
        self.log.say("hub", "stopping ...")
        self.stopping.set()

    def add(self, program: Program) -> None:
        """Keep `program` running from now on."""
        if program.is_last:
            self._last.add(program.name)
        self._jobs.append(asyncio.create_task(self._keep(program), name=program.name))

    async def run(self, *, servers: Iterable[Server] = (), beside: Callable[[], Awaitable[None]]) -> None:
        """Keep `servers`, and what `beside` adds, running. An error of `beside` ends everything and is raised."""
        loop = asyncio.get_running_loop()
        self.log.follow(loop)
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        self._jobs += [asyncio.create_task(self._keep_server(server), name=server.name) for server in servers]
        first = asyncio.create_task(self._beside(beside), name="beside")
        try:
            await self.stopping.wait()
        finally:
            await self._end_children()
            jobs = (first, *self._jobs, *self._notes)
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        if first.done() and not first.cancelled() and (error := first.exception()) is not None:
            raise error

    async def _beside(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except BaseException:
            self.stopping.set()
            raise

    async def _keep(self, program: Program) -> None:
        backoff = Backoff()
        output = self.log.descriptor(program.name)
        while not self.stopping.is_set():
            started_s = time.monotonic()
            child = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=BASE_DIR,
                env=program.environment_from(self.environment),
                start_new_session=True,
                preexec_fn=before_exec(),
            )
            self.children[program.name] = child
            status = await child.wait()
            if self.stopping.is_set():
                return
            _kill_family(child.pid)
            del self.children[program.name]
            await self._wait_before_restart(program.name, status, backoff.after(time.monotonic() - started_s))

    async def _keep_server(self, server: Server) -> None:
        backoff = Backoff()
        started_s = time.monotonic()
        while not self.stopping.is_set():
            await asyncio.sleep(SERVER_LOOK_EVERY_S)
            if (status := server.ended()) is not None:
                await self._wait_before_restart(
                    server.name, status, backoff.after(time.monotonic() - started_s)
                )
                if not self.stopping.is_set():
                    started_s = time.monotonic()
                    server.spawn()

    async def _wait_before_restart(self, name: str, status: int, delay_s: float) -> None:
        if self.stopping.is_set():
            return
        self.log.say("hub", f"{name} ended ({_meaning(status)}); it starts again in {delay_s:g} s")
        if status != 0 and self._failed is not None:
            note = asyncio.create_task(self._failed(name), name=f"{name} failed")
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), delay_s)

    async def _end_children(self) -> None:
        """SIGTERM, once more for a media worker that waits for its calls; then for what tells people how those ended;
        then SIGKILL to whole families."""
        for is_last, patience_s in ((False, STOP_POLITE_S), (False, STOP_URGENT_S), (True, STOP_LAST_S)):
            asked = [child for name, child in self.children.items() if (name in self._last) is is_last]
            _signal(asked, signal.SIGTERM)
            await _ended(asked, timeout_s=patience_s)
        for child in self.children.values():
            _kill_family(child.pid)
        await _ended(self.children.values())


def _signal(children: Iterable[Process], number: signal.Signals) -> None:
    for child in children:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)


async def _ended(children: Iterable[Process], *, timeout_s: float | None = None) -> None:
    """When all of them have ended, or that time is over."""
    ends = asyncio.gather(*(child.wait() for child in children))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ends, timeout_s)


def _kill_family(pid: int) -> None:
    """SIGKILL to the process group that `pid` leads; its number stays taken while any member lives."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _meaning(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"
