"""A socket looks again whether it may still be what it is: when it is hinted at, and by itself now and then."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from django.db import DatabaseError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

EVERY_S = 60.0
AGAIN_S = 1.0  # while the rows cannot be read


class Recheck:
    """Runs `look` beside the messages of the socket, which may be many or slow. One at a time.

    What `look` cannot read because the database is away is no reason to end anything: it is asked again until it can.
    """

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_wanted = self._is_stopped = False

    def start(self) -> None:
        # Spread, so that the sockets of a house that came back together do not ask together for ever.
        wait_s = EVERY_S * random.uniform(0.75, 1.25)  # noqa: S311 - nothing is guessed here
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.ask)

    def ask(self) -> None:
        """Soon. Asking while it looks means once more."""
        self._is_wanted = True
        if not self._is_stopped and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="recheck")

    async def stop(self) -> None:
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        while self._is_wanted:
            self._is_wanted = False
            try:
                await self._look()
            except (DatabaseError, RedisError, OSError):
                log.warning("a socket cannot be looked at again yet")
                self._is_wanted = True
                await asyncio.sleep(AGAIN_S)
            except Exception:
                # One look that failed must not be the last: the next hint, or the timer, asks again.
                log.exception("a socket could not be looked at again")
        self.start()
