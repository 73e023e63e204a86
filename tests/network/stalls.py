"""How long an event loop ever stood still."""

import asyncio
import time

TICK_S = 0.002


class Stalls:
    """The longest time between two ticks, beyond the tick itself. `async with` watches."""

    def __init__(self) -> None:
        self.longest_s = self.longest_cpu_s = 0.0
        self.cpu_of_longest_s = 0.0  # of this thread, while the loop stood still the longest

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
            stood_s, took_s = time.monotonic() - wall_s - TICK_S, time.thread_time() - cpu_s
            if stood_s > self.longest_s:
                self.longest_s, self.cpu_of_longest_s = stood_s, took_s
            self.longest_cpu_s = max(self.longest_cpu_s, took_s)
