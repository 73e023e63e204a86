"""The parent of the workers: who hangs is killed, who ended is replaced, and nobody outlives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil
import pytest

pytestmark = [pytest.mark.unit, pytest.mark.timeout(30)]
ROOT = Path(__file__).resolve().parents[2]


class Program:
    def __init__(self, how: str, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.parent_program", how, str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.said: list[str] = []

    @property
    def _lines(self) -> IO[str]:
        assert self.process.stdout
        return self.process.stdout

    def until(self, *words: str) -> list[str]:
        """The next line that begins so, in words; the other ones are its structured log."""
        for line in self._lines:
            self.said.append(line)
            said = line.split()
            if said[0] in ("start", "heard") and said[: len(words)] == list(words):
                return said
        raise AssertionError(f"it ended without {words}")

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._lines.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def run(how: str, count: int = 1) -> Program:
        programs.append(Program(how, count))
        return programs[-1]

    yield run
    for program in programs:
        program.close()


def is_gone(pid: int) -> bool:
    _, alive = psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
    return not alive


def test_a_killed_child_is_replaced_at_once_and_the_others_hear_who_it_was(
    start: Callable[..., Program],
) -> None:
    program = start("beat", 2)
    pids = {line[1]: int(line[2]) for line in (program.until("start"), program.until("start"))}
    time.sleep(0.4)  # it has run steadily
    killed_at_s = time.monotonic()
    os.kill(pids["w1"], signal.SIGKILL)
    lines = [program.until() for _ in range(3)]
    [replaced] = [line for line in lines if line[:2] == ["start", "w3"]]
    assert float(replaced[3]) - killed_at_s < 10
    assert {tuple(line) for line in lines if line[0] == "heard"} == {
        ("heard", "w2", "w1", "failed"),
        ("heard", "w3", "w1", "failed"),
    }


@pytest.mark.parametrize(("how", "number"), [("beat", signal.SIGTERM), ("early", signal.SIGKILL)])
def test_one_that_was_told_to_end_or_was_never_ready_has_not_failed(
    start: Callable[..., Program], how: str, number: signal.Signals
) -> None:
    program = start(how)
    pid = int(program.until("start", "w1")[2])
    time.sleep(0.4)  # it has run steadily
    os.kill(pid, number)
    assert program.until("heard", "w2") == ["heard", "w2", "w1", "ended"]


def test_that_a_child_is_killed_is_said_once_however_long_it_takes_to_end(
    start: Callable[..., Program],
) -> None:
    program = start("large")
    program.until("start", "w2")
    assert sum("media_worker_killed" in line for line in program.said) == 1


@pytest.mark.parametrize(("how", "after_s"), [("hang", 0.6), ("mute", 1.2)])
def test_a_child_that_does_not_beat_is_killed(
    start: Callable[..., Program], how: str, after_s: float
) -> None:
    program = start(how)
    first, second = program.until("start", "w1"), program.until("start", "w2")
    said_late_s = 0.2  # a child says when it runs, which is after its parent began to count
    assert after_s - said_late_s <= float(second[3]) - float(first[3]) < after_s + 5.0
    assert is_gone(int(first[2]))


def test_a_stopped_child_is_killed(start: Callable[..., Program]) -> None:
    program = start("beat")
    pid = int(program.until("start", "w1")[2])
    os.kill(pid, signal.SIGSTOP)
    program.until("start", "w2")
    assert is_gone(pid)


def test_a_child_that_crashes_at_its_start_is_started_less_and_less_often(
    start: Callable[..., Program],
) -> None:
    program = start("crash")
    times = [float(program.until("start")[3]) for _ in range(4)]
    assert times[2] - times[1] >= 0.3
    assert times[3] - times[2] >= 0.6


def test_a_signal_reaches_the_children_and_the_parent_waits_for_them(start: Callable[..., Program]) -> None:
    program = start("beat", 2)
    pids = [int(program.until("start")[2]) for _ in range(2)]
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(timeout=15) == 0
    assert all(is_gone(pid) for pid in pids)


def test_a_child_that_does_not_end_in_time_is_killed(start: Callable[..., Program]) -> None:
    program = start("stubborn")
    pid = int(program.until("start")[2])
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(timeout=15) == 0
    assert is_gone(pid)


def test_the_third_signal_kills(start: Callable[..., Program]) -> None:
    program = start("dogged")
    program.until("start")
    began_s = time.monotonic()
    while program.process.poll() is None:
        assert time.monotonic() - began_s < 10
        program.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # so that no two of them come as one
    assert program.process.returncode == 0


def test_a_parent_that_was_held_up_itself_kills_nobody(start: Callable[..., Program]) -> None:
    program = start("beat")
    pid = int(program.until("start", "w1")[2])
    for process in (program.process.pid, pid):
        os.kill(process, signal.SIGSTOP)
    time.sleep(1.0)
    os.kill(program.process.pid, signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)
    assert psutil.pid_exists(pid)
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(timeout=15) == 0


def test_children_end_with_a_killed_parent(start: Callable[..., Program]) -> None:
    program = start("stubborn", 2)
    pids = [int(program.until("start")[2]) for _ in range(2)]
    program.process.kill()
    assert all(is_gone(pid) for pid in pids)
