"""How long an event loop ever stood still."""

import asyncio
import time
from typing import Final

TICK_S: Final = 0.002
KEPT_S: Final = 0.01  # shorter ones are not kept one by one

Stall = tuple[float, float]  # from, to: CLOCK_MONOTONIC, which all processes share


class Stalls:
    """The longest time between two ticks, beyond the tick itself. `async with` watches."""

    def __init__(self) -> None:
        self.longest_s = self.longest_cpu_s = 0.0
        self.cpu_of_longest_s = 0.0  # of this thread, while the loop stood still the longest
        self.kept: list[Stall] = []

    @property
    def total_s(self) -> float:
        return sum(until_s - since_s for since_s, until_s in self.kept)

    async def __aenter__(self) -> "Stalls":
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(2 * TICK_S)
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            wall_s, cpu_s = time.monotonic(), time.thread_time()
            await asyncio.sleep(TICK_S)
            due_s, now_s, took_s = wall_s + TICK_S, time.monotonic(), time.thread_time() - cpu_s
            if now_s - due_s > KEPT_S:
                self.kept.append((due_s, now_s))
            if now_s - due_s > self.longest_s:
                self.longest_s, self.cpu_of_longest_s = now_s - due_s, took_s
            self.longest_cpu_s = max(self.longest_cpu_s, took_s)
