"""The servers that are compared, each a process of its own on one core, and what they take of it."""

import asyncio
import json
import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from benchmarks.media.load import Caller, voice

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
_SPEAK_EVERY_S: Final = 3.0
STOP_S: Final = 20.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of a process, all its threads together."""

    cpu_s: float
    rss_mb: float


def usage(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        rss_mb=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
    )


class Server(ABC):
    """A process that connects two callers and records both."""

    name: str
    pid: int

    @abstractmethod
    async def connect(self, anna: Caller, ben: Caller) -> None:
        """Signal a call between the two. Their connections may still be on their way."""

    async def call(self) -> tuple[Caller, Caller]:
        """A call between two new callers, connected."""
        anna, ben = Caller(), Caller()
        await self.connect(anna, ben)
        await asyncio.gather(anna.connected(), ben.connected())
        return anna, ben

    def usage(self) -> Usage:
        return usage(self.pid)


class PipeServer(Server):
    """One of `benchmarks.media.serve`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name, self.pid, self._process = name, process.pid, process

    async def connect(self, anna: Caller, ben: Caller) -> None:
        call = str(uuid4())
        for caller in (anna, ben):
            await self._ask(call=call, leg=str(uuid4()), sdp=await caller.offer())
            await caller.accept((await self._reply())["sdp"])

    async def ready(self) -> None:
        await self._reply()

    async def _ask(self, **request: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            await self._process.stdin.drain()

    async def _reply(self) -> dict[str, str]:
        line = await self._process.stdout.readline() if self._process.stdout is not None else b""
        reply: dict[str, str] = json.loads(line or b'{"error": "the server ended"}')
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply


def pin(pid: int, core: int = SERVER_CORE) -> None:
    """All threads of a process, and those that they will make, to one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


@asynccontextmanager
async def started(
    command: list[str], *, core: int | None = SERVER_CORE
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child, on one core or on any, ended with the block: by the end of its input, else killed."""
    everywhere = f"0-{(os.cpu_count() or 1) - 1}"
    process = await asyncio.create_subprocess_exec(
        "taskset",
        "-c",
        everywhere if core is None else str(core),
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL if core is None else asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def pipe_server(kind: str) -> AsyncIterator[PipeServer]:
    """ "ours" or "plain", in a folder that goes with it."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="media-bench-"))
        command = [sys.executable, "-m", "benchmarks.media.serve", kind, folder]
        server = PipeServer(kind, await stack.enter_async_context(started(command)))
        await server.ready()
        yield server


@asynccontextmanager
async def calls(server: Server, count: int) -> AsyncIterator[list[tuple[Caller, Caller]]]:
    """So many calls, closed at the end from the callers' side. None is silent until the last one stands."""
    pairs: list[tuple[Caller, Caller]] = []
    spoken_s, payload = time.monotonic(), voice(1)
    try:
        for _ in range(count):
            pairs.append(await server.call())
            if time.monotonic() - spoken_s > _SPEAK_EVERY_S:
                spoken_s = time.monotonic()
                for caller in (caller for pair in pairs for caller in pair):
                    caller.send(caller.packets(payload)[0][1])
        yield pairs
    finally:
        await asyncio.gather(*(caller.close() for pair in pairs for caller in pair))
