"""Commands for the same leg or call are carried out in the order in which they came, one after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from media.supervise import Supervisor

MAX_WAITING: Final = 64  # of one leg or call


class Turns:
    """Each key has its own turns; those of different keys do not wait for each other."""

    def __init__(self, tasks: Supervisor) -> None:
        self._tasks = tasks
        self._waiting: dict[UUID, int] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    @property
    def is_idle(self) -> bool:
        return not self._waiting

    def take(self, key: UUID, work: Callable[[], Awaitable[None]], *, name: str) -> bool:
        """Do this work in its turn; it must not raise. False: too much waits for this key, and it is not done."""
        if self._waiting.get(key, 0) >= MAX_WAITING:
            return False
        self._waiting[key] = self._waiting.get(key, 0) + 1
        if self._tasks.spawn(self._run(key, work), name=name) is None:
            self._release(key)
        return True

    async def _run(self, key: UUID, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._locks.setdefault(key, asyncio.Lock()):
                await work()
        finally:
            self._release(key)

    def _release(self, key: UUID) -> None:
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]
            self._locks.pop(key, None)
