"""What is told to the hub, one thing after the other, so that states arrive in their order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from media.supervise import Supervisor, log_failure

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 1024
_FLUSH_S: Final = 5.0


class Outbox:
    """A bounded queue of calls of the door."""

    def __init__(self, tasks: Supervisor) -> None:
        self._calls: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(maxsize=MAX_WAITING)
        self.dropped = 0
        tasks.spawn(self._run(), name="outbox")

    def put(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            self._calls.put_nowait(call)
        except asyncio.QueueFull:
            self.dropped += 1
            log.error("hub_not_told", dropped=self.dropped)

    async def flush(self) -> None:
        """Wait until everything was told, but not for ever: the hub may be gone."""
        try:
            await asyncio.wait_for(self._calls.join(), _FLUSH_S)
        except TimeoutError:
            log.error("hub_not_told", dropped=self._calls.qsize())

    async def _run(self) -> None:
        while True:
            call = await self._calls.get()
            try:
                await call()
            except Exception as error:
                log_failure("door_failed", error)
            finally:
                self._calls.task_done()
