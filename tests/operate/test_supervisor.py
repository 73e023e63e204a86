import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from config.log_lines import LogLines
from config.programs import Program, demo_device, hub_programs
from config.supervisor import (
    BACKOFF_FIRST_S,
    BACKOFF_MOST_S,
    STOP_LAST_S,
    STOP_POLITE_S,
    STOP_URGENT_S,
    Backoff,
    Supervisor,
)

pytestmark = pytest.mark.integration

WAITS = "import signal; print('here', flush=True); signal.pause()"
IGNORES_SIGTERM = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True)\n"
    "while True: signal.pause()"
)
ENDS_ITS_CALLS_WHEN_ASKED_TWICE = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("here", flush=True)
for word in ("drains", "ends its calls"):
    signal.sigwait([signal.SIGTERM])
    print(word, flush=True)
"""
SAYS_THAT_IT_ENDS = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("here", flush=True)
signal.sigwait([signal.SIGTERM])
print("tells nobody any more", flush=True)
"""
HAS_A_CHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {IGNORES_SIGTERM!r}])
print("child", child.pid, flush=True)
child.wait()
"""
SUPERVISES = f"""
import asyncio, os
from config.log_lines import LogLines
from config.programs import Program
from config.supervisor import Supervisor
import sys

async def main():
    supervisor = Supervisor(environment=dict(os.environ), log=LogLines())
    async def start():
        for name in ("one", "two"):
            supervisor.add(Program(name=name, command=(sys.executable, "-c", {IGNORES_SIGTERM!r})))
    await supervisor.run(beside=start)

asyncio.run(main())
"""


class Said(LogLines):
    """A log whose lines can be awaited."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.lines: list[str] = []
        self._more = asyncio.Event()

    def plain(self, text: str) -> None:
        self.lines.append(text)
        self._more.set()

    async def until(self, part: str, *, times: int = 1) -> str:
        async with asyncio.timeout(30):
            while sum(part in line for line in self.lines) < times:
                self._more.clear()
                await self._more.wait()
        return next(line for line in reversed(self.lines) if part in line)


def program(name: str, code: str, *, is_last: bool = False) -> Program:
    return Program(name=name, command=(sys.executable, "-c", code), is_last=is_last)


async def supervise(
    said: Said, steps: Callable[[Supervisor], Awaitable[None]], *, failed: list[str] | None = None
) -> None:
    """Run `steps` beside a supervisor, then end it as Ctrl-C does. `failed` gets the names of what failed."""

    async def note(name: str) -> None:
        (failed if failed is not None else []).append(name)

    supervisor = Supervisor(environment=dict(os.environ), log=said, failed=note)

    async def beside() -> None:
        await steps(supervisor)
        os.kill(os.getpid(), signal.SIGINT)

    async with asyncio.timeout(60):
        await supervisor.run(beside=beside)
    said.close()


async def test_a_child_that_dies_is_started_again_and_noted() -> None:
    said, failed = Said(), list[str]()

    async def steps(supervisor: Supervisor) -> None:
        supervisor.add(program("one", WAITS))
        await said.until("here")
        supervisor.children["one"].kill()
        await said.until("one ended (killed by SIGKILL); it starts again in 0.5 s")
        await said.until("here", times=2)

    await supervise(said, steps, failed=failed)
    assert failed == ["one"]


async def test_what_ends_in_order_starts_again_and_has_not_failed() -> None:
    said, failed = Said(), list[str]()

    async def steps(supervisor: Supervisor) -> None:
        supervisor.add(program("one", "print('here', flush=True)"))
        await said.until("here", times=2)

    await supervise(said, steps, failed=failed)
    assert failed == []


async def test_a_child_that_cannot_start_is_tried_again_more_slowly() -> None:
    said = Said()

    async def steps(supervisor: Supervisor) -> None:
        supervisor.add(program("one", "raise SystemExit(3)"))
        await said.until("exit status 3); it starts again in 1 s")

    await supervise(said, steps)


async def test_the_end_takes_whole_families_even_stubborn_ones() -> None:
    said = Said()
    family: list[psutil.Process] = []

    async def steps(supervisor: Supervisor) -> None:
        supervisor.add(program("family", HAS_A_CHILD))
        await said.until("here")
        family.append(psutil.Process(int((await said.until("child")).split()[-1])))

    await supervise(said, steps)
    assert family
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, timeout=5)
    assert alive == []


async def test_who_tells_people_how_their_calls_ended_ends_after_the_calls() -> None:
    said = Said()

    async def steps(supervisor: Supervisor) -> None:
        supervisor.add(program("web", SAYS_THAT_IT_ENDS, is_last=True))
        supervisor.add(program("media", ENDS_ITS_CALLS_WHEN_ASKED_TWICE))
        await said.until("here", times=2)

    await supervise(said, steps)
    ends = [line for line in said.lines if "here" not in line]
    assert [line.partition("| ")[2] for line in ends] == [
        "stopping ...", "drains", "ends its calls", "tells nobody any more"
    ]  # fmt: skip


async def test_the_second_ctrl_c_ends_everything_at_once() -> None:
    said = Said()

    async def steps(supervisor: Supervisor) -> None:
        for name, is_last in (("media", False), ("web", True)):
            supervisor.add(program(name, IGNORES_SIGTERM, is_last=is_last))
        await said.until("here", times=2)
        supervisor.stop()

    began_s = time.monotonic()
    await supervise(said, steps)
    assert time.monotonic() - began_s < STOP_POLITE_S + STOP_URGENT_S + STOP_LAST_S


def test_the_pages_and_the_demo_speaker_end_last(tmp_path: Path) -> None:
    hub = "http://localhost:8000"
    programs = [*hub_programs(host="::", port=8000), demo_device(hub_url=hub, data_dir=tmp_path)]
    assert [program.name for program in programs if program.is_last] == ["web", "device"]


async def test_an_error_beside_the_children_ends_them_and_is_raised() -> None:
    said = Said()
    supervisor = Supervisor(environment=dict(os.environ), log=said)

    async def beside() -> None:
        supervisor.add(program("one", WAITS))
        await said.until("here")
        raise LookupError("no page")

    with pytest.raises(LookupError, match="no page"):
        await supervisor.run(beside=beside)
    assert [child.returncode is None for child in supervisor.children.values()] == [False]
    said.close()


def test_children_end_with_a_supervisor_that_is_killed() -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISES], stdout=subprocess.PIPE)
    assert supervisor.stdout
    for _ in range(2):
        assert b"here" in supervisor.stdout.readline()
    children = psutil.Process(supervisor.pid).children(recursive=True)
    assert len(children) == 2
    supervisor.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    supervisor.communicate()


def test_the_delay_doubles_up_to_a_bound_and_a_steady_run_resets_it() -> None:
    backoff = Backoff()
    delays = [backoff.after(1.0) for _ in range(9)]
    assert delays[:4] == [BACKOFF_FIRST_S, 1.0, 2.0, 4.0]
    assert delays[-1] == BACKOFF_MOST_S
    assert backoff.after(31.0) == BACKOFF_FIRST_S


async def test_lines_of_a_pipe_appear_whole_behind_their_name() -> None:
    said = Said()
    said.follow(asyncio.get_running_loop())
    descriptor = said.descriptor("one")
    os.write(descriptor, b"first\nsec")
    await said.until("first")
    os.write(descriptor, b"ond \xff\nrest")
    assert await said.until("second") == "one       | second \ufffd"
    said.close()
    assert said.lines[-1] == "one       | rest"


def test_a_closed_terminal_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        log = LogLines(gone)
        for _ in range(2):
            log.say("hub", "anybody there?")


def test_a_program_that_is_not_the_hubs_sees_none_of_its_secrets() -> None:
    base = {"HUB_SECRET_KEY": "s", "DATABASE_URL": "d", "REDIS_URL_FILE": "r", "PATH": "/bin"}
    agent = Program(name="device", command=("true",), sees_secrets=False)
    assert agent.environment_from(base) == {"PATH": "/bin", "PYTHONUNBUFFERED": "1"}
    assert Program(name="web", command=("true",)).environment_from(base).items() >= base.items()
