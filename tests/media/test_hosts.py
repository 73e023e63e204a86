"""Workers on two hosts, each in a network namespace of its own: a call goes on at the other one."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.media_program import MediaProgram
from tests.fakes.network import networks_next
from tests.media.test_workers import call_now, talking
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

# The lease runs out, the others wait whether it is merely Redis, and both ends make new connections.
LEASE_LOST_WITHIN_S = 12.0


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def namespaces() -> Iterator[list[str]]:
    """Two, each with a cable to this host. Their servers are reached by unix sockets, so only sound needs the cable."""
    made = []
    try:
        for number in (1, 2):
            name, cable = f"hlw{os.getpid()}n{number}", f"hlw{os.getpid()}c{number}"
            network, _ = networks_next()
            ip("netns", "add", name)
            made.append(name)
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("addr", "add", f"{network}.1/30", "dev", cable)
            ip("link", "set", cable, "up")
            for words in (
                ("addr", "add", f"{network}.2/30", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                ip("-n", name, *words)
        yield made
    finally:
        for name in made:
            ip("netns", "delete", name)  # the cable goes with it


@pytest.fixture
def hosts(namespaces: list[str], tmp_path: Path, cast: Cast) -> Iterator[list[MediaProgram]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                MediaProgram(processes=1, log=tmp_path / f"{name}.log", prefix=("ip", "netns", "exec", name))
            )
            for name in namespaces
        ]


def host_of(hosts: list[MediaProgram], worker_id: str) -> MediaProgram:
    [host] = [host for host in hosts if worker_id in [worker.worker_id for worker in host.workers()]]
    return host


async def test_a_call_goes_on_at_the_other_host_when_one_is_lost(
    hosts: list[MediaProgram], cast: Cast
) -> None:
    async with talking(cast) as (call, anna, kitchen):
        begun = await call_now(call)
        lost = await asyncio.to_thread(host_of, hosts, begun.worker_id)
        lost_at_s = time.monotonic()
        lost.process.kill()  # with its child: nobody is left there who could tell
        for phone in (anna, kitchen):
            assert await phone.wait_line_heard(lost_at_s) - lost_at_s < LEASE_LOST_WITHIN_S
        moved = await call_now(call)
        [other] = [host for host in hosts if host is not lost]
        assert [worker.worker_id for worker in await asyncio.to_thread(other.workers)] == [moved.worker_id]
        assert (moved.is_live, moved.connected_at) == (True, begun.connected_at)


async def test_a_host_that_is_shut_down_hands_its_call_to_the_other(
    hosts: list[MediaProgram], cast: Cast
) -> None:
    async with talking(cast) as (call, anna, kitchen):
        begun = await call_now(call)
        leaving = await asyncio.to_thread(host_of, hosts, begun.worker_id)
        leaving.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(leaving.process.wait, 30) == 0
        told_at_s = time.monotonic()
        for phone in (anna, kitchen):
            await phone.wait_heard(told_at_s)
        moved = await call_now(call)
        assert moved.worker_id != begun.worker_id
        assert (moved.is_live, anna.ended, kitchen.ended) == (True, None, None)
