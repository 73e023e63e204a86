"""What a forwarded call costs, how many fit on a core, and how late their packets are.

Ours, Debian's Janus and the plain aiortc relay run one after the other in turns of a few seconds under the same
load, so that what else the machine does hits all alike. Each server has one core, the callers the other.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from benchmarks.figures import Figure, Options, figure, quantile
from benchmarks.media import janus
from benchmarks.media.load import FRAME_S, Heard, Load
from benchmarks.media.servers import LOAD_CORE, Server, calls, pipe_server

FIGURES: Final = ("M1", "M4", "M5", "M6")
CALLS: Final = 12
PLAIN_CALLS: Final = 3  # a core holds no more
CROWD: Final = 60
SESSIONS: Final = (0, 1, 5, 10, 20)
_TURN_S: Final = 4.0
_WARM_UP_S: Final = 1.0
_LATE_SHARE: Final = 0.01


@dataclass
class Run:
    """A server with its calls, and what was measured of it so far."""

    server: Server
    load: Load | None
    count: int
    cpu_s: float = 0.0
    wall_s: float = 0.0
    heard: list[Heard] = field(default_factory=list)

    async def turn(self, seconds: float) -> None:
        began_s, before = time.monotonic(), self.server.usage()
        if self.load is None:
            await asyncio.sleep(seconds)
        else:
            self.heard += await self.load.run(seconds)
        self.cpu_s += self.server.usage().cpu_s - before.cpu_s
        self.wall_s += time.monotonic() - began_s

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu_s / self.wall_s

    @property
    def delays_ms(self) -> list[float]:
        return [1000 * delay for heard in self.heard for delay in heard.delays_s]

    @property
    def late_share(self) -> float:
        sent = sum(heard.sent for heard in self.heard)
        return sum(heard.late for heard in self.heard) / sent if sent else 1.0


@asynccontextmanager
async def running(server: Server, count: int) -> AsyncIterator[Run]:
    """So many calls, connected and warm."""
    if not count:
        yield Run(server, None, 0)
        return
    async with calls(server, count) as pairs:
        load = Load(pairs)
        try:
            await load.probe()
            await load.run(_WARM_UP_S)
            yield Run(server, load, count)
        finally:
            load.close()


def measure(options: Options) -> list[Figure]:
    os.sched_setaffinity(0, {LOAD_CORE})
    return asyncio.run(_measure(options))


async def _measure(options: Options) -> list[Figure]:
    found: list[Figure] = []
    if options.wants("M1") or options.wants("M5"):
        found += await _side_by_side(turns=1 if options.is_quick else 4)
    if options.wants("M4"):
        found.append(await _crowd(4.0 if options.is_quick else 12.0))
    if options.wants("M6"):
        for count in SESSIONS:
            found += await _table_row(count, 4.0 if options.is_quick else 10.0)
    return found


async def _side_by_side(*, turns: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        ours = await _begun(stack, await stack.enter_async_context(pipe_server("ours")), CALLS)
        plain = await _begun(stack, await stack.enter_async_context(pipe_server("plain")), PLAIN_CALLS)
        runs, native = [ours, plain], None
        if janus.installed():
            native = await _begun(stack, await stack.enter_async_context(janus.janus()), CALLS)
            runs.append(native)
        for _ in range(turns):
            for run in runs:
                await run.turn(_TURN_S)
        return [*_costs(ours, plain, native), *_delays("M5", "delay added by the forward path", ours, native)]


async def _begun(stack: AsyncExitStack, server: Server, count: int) -> Run:
    return await stack.enter_async_context(running(server, count))


def _costs(ours: Run, plain: Run, native: Run | None) -> list[Figure]:
    own, bare = (run.cpu_percent / run.count for run in (ours, plain))
    words = f"{ours.count} calls on one core, {ours.wall_s:.0f} s"
    if native is None:
        ratio, reference = None, janus.MISSING
    else:
        theirs = native.cpu_percent / native.count
        ratio, reference = own / theirs, f"Janus 1.1.2, recording: {theirs:.3f} % per call; {words}"
    return [
        figure("M1", "CPU per recorded two-party call", own, "% of a core", reference=words),
        figure(
            "M1.janus",
            "the same, of what Janus takes in this run",
            ratio,
            "x",
            bar="<= 1",
            reference=reference,
        ),
        figure(
            "M1.plain",
            "the same, of what the plain aiortc relay takes in this run",
            own / bare,
            "x",
            bar="<= 0.05",
            reference=f"plain relay: {bare:.1f} % per call with {plain.count} calls",
        ),
    ]


def _delays(figure_id: str, name: str, ours: Run, native: Run | None) -> list[Figure]:
    words = f"{ours.count} calls"
    if native is not None:
        words += f"; Janus {_shown(native.delays_ms)}"
    return [
        _delay(f"{figure_id}.p50", f"{name}, p50", ours.delays_ms, 0.5, "<= 1", words),
        _delay(f"{figure_id}.p99", f"{name}, p99", ours.delays_ms, 0.99, "<= 10", words),
    ]


def _delay(
    figure_id: str, name: str, delays_ms: Sequence[float], share: float, bar: str, words: str
) -> Figure:
    return figure(figure_id, name, quantile(delays_ms, share), "ms", bar=bar, reference=words)


def _shown(delays_ms: Sequence[float]) -> str:
    return f"p50 {quantile(delays_ms, 0.5) or 0:.2f} ms, p99 {quantile(delays_ms, 0.99) or 0:.2f} ms"


async def _crowd(seconds: float) -> Figure:
    """The bar's number of calls at once: it counts where under 1 % of their packets are late or lost."""
    async with pipe_server("ours") as server, running(server, CROWD) as run:
        await run.turn(seconds)
    held = run.late_share < _LATE_SHARE
    words = (
        f"{CROWD} calls: {100 * run.late_share:.2f} % of packets later than {1000 * FRAME_S:.0f} ms or lost; "
        f"{_shown(run.delays_ms)}; {run.cpu_percent:.0f} % of the core"
    )
    name = "recorded calls on one core with under 1 % of packets late"
    return figure("M4", name, CROWD if held else 0, "calls", bar=f">= {CROWD}", reference=words)


async def _table_row(count: int, seconds: float) -> list[Figure]:
    async with pipe_server("ours") as server, running(server, count) as run:
        await run.turn(seconds)
        rss_mb = server.usage().rss_mb
    name = f"with {count} sessions"
    words = _shown(run.delays_ms) if count else "idle"
    return [
        figure(f"M6.{count}.cpu", f"CPU {name}", run.cpu_percent, "% of a core", reference=words),
        figure(f"M6.{count}.memory", f"memory {name}", rss_mb, "MB"),
    ]
