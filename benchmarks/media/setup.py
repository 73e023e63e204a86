"""What it costs to set a call up, and what it keeps in memory."""

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from typing import Final

from benchmarks.figures import Figure, Options, figure
from benchmarks.media import janus
from benchmarks.media.load import Caller, Load
from benchmarks.media.servers import LOAD_CORE, Server, Usage, calls, pipe_server

FIGURES: Final = ("M2", "M3")
CALLS: Final = 20
_FIRST: Final = 4  # they pay for what is loaded once


def measure(options: Options) -> list[Figure]:
    os.sched_setaffinity(0, {LOAD_CORE})
    return asyncio.run(_measure(6 if options.is_quick else CALLS))


async def _measure(count: int) -> list[Figure]:
    cpu_ms, memory_mb = await _cost(pipe_server("ours"), count)
    bare_ms, bare_mb = await _cost(pipe_server("plain"), _FIRST)
    words = f"{count} calls after {_FIRST} others; plain aiortc {bare_ms:.0f} ms"
    native = await _cost(janus.janus(), count) if janus.installed() else None
    ratio, reference = None, janus.MISSING
    if native is not None:
        ratio, reference = cpu_ms / native[0], f"Janus 1.1.2: {native[0]:.1f} ms"
    kept = f"plain aiortc {bare_mb:.1f} MB" + (f", Janus {native[1]:.2f} MB" if native else "")
    return [
        figure("M2", "CPU to set up a two-party call", cpu_ms, "ms", bar="<= 60", reference=words),
        figure("M2.janus", "the same, of what Janus takes", ratio, "x", bar="<= 2", reference=reference),
        figure("M3", "memory per two-party call", memory_mb, "MB", bar="<= 2", reference=kept),
    ]


async def _cost(context: AbstractAsyncContextManager[Server], count: int) -> tuple[float, float]:
    """CPU in ms and memory in MB of each call after the first ones: from the offer to its first packets."""
    async with context as server, calls(server, _FIRST) as first:
        await _speak(first)
        before = server.usage()
        async with calls(server, count) as pairs:
            await _speak(pairs)
            after: Usage = server.usage()
    return 1000 * (after.cpu_s - before.cpu_s) / count, (after.rss_mb - before.rss_mb) / count


async def _speak(pairs: list[tuple[Caller, Caller]]) -> None:
    load = Load(pairs)
    try:
        await load.greet()
    finally:
        load.close()
