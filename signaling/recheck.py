"""A socket looks again whether it may still be what it is: when it is hinted at, and by itself now and then."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

EVERY_S = 60.0
AGAIN_S = 1.0  # after a look that failed, and twice as long after each further one
AGAIN_MOST_S = 4.0
# A restart of PostgreSQL takes seconds, and must not put everybody out; a right that ended must not last much longer.
SURE_WITHIN_S = 10.0
_AWAY: Final = (OperationalError, InterfaceError, RedisError, OSError)


class Recheck:
    """Runs `look` beside the messages of the socket, which may be many or slow. One at a time, until one succeeds.

    In doubt, that is after a hint or after a look that failed although the database was there, `give_up` ends the
    socket unless a look succeeded in SURE_WITHIN_S, also where one hangs. A database that is merely away when nobody
    gave a hint is no doubt: nobody can have changed anything there.
    """

    def __init__(self, look: Callable[[], Awaitable[None]], give_up: Callable[[], Awaitable[None]]) -> None:
        self._look, self._give_up = look, give_up
        self._task: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due_at: float | None = None  # of the loop's clock
        self._wanted = asyncio.Event()
        self._is_stopped = False

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        # Spread, so that the sockets of a house that came back together do not ask together for ever.
        at = loop.time() + EVERY_S * random.uniform(0.75, 1.25)  # noqa: S311 - nothing is guessed here
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at if self._due_at is None else min(at, self._due_at), self._soon)

    def due(self, wait_s: float | None) -> None:
        """What it may be changes by the clock then, without a hint. None: at no time that is known."""
        self._due_at = None if wait_s is None else asyncio.get_running_loop().time() + wait_s
        if not self._is_stopped and (self._task is None or self._task.done()):
            self.start()  # else it starts when the look is over

    def ask(self) -> None:
        """At once: there was a hint. Asking while it looks means once more."""
        if not self._is_stopped:
            self._doubt()
            self._soon()

    async def stop(self) -> None:
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in (self._task, self._end) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _soon(self) -> None:
        self._due_at = None  # the look that comes now says when the next one is due
        self._wanted.set()
        if not self._is_stopped and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="recheck")

    def _doubt(self) -> None:
        if self._end is None:
            self._end = asyncio.create_task(self._end_unless_sure(), name="recheck in doubt")

    def _is_sure(self) -> None:
        if self._end is not None and not self._is_stopped:
            self._end.cancel()
            self._end = None

    async def _end_unless_sure(self) -> None:
        await asyncio.sleep(SURE_WITHIN_S)
        self._is_stopped = True  # from here on a look that succeeds after all is too late
        log.warning("a socket is closed, since nobody could say whether it may stay")
        await self._give_up()

    async def _run(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = AGAIN_S
        while self._wanted.is_set():
            self._wanted.clear()
            if await self._has_looked():
                wait_s = AGAIN_S
                if not self._wanted.is_set():
                    self._is_sure()
            elif not await self._hint_within(wait_s):
                wait_s = min(2 * wait_s, AGAIN_MOST_S)
        self.start()

    async def _hint_within(self, wait_s: float) -> bool:
        """Either way a look is due afterwards."""
        try:
            await asyncio.wait_for(self._wanted.wait(), wait_s)
        except TimeoutError:
            self._wanted.set()
            return False
        return True

    async def _has_looked(self) -> bool:
        try:
            await self._look()
        except _AWAY:
            log.warning("a socket cannot be looked at again yet")
        except Exception:
            log.exception("a socket could not be looked at again")
            self._doubt()
        else:
            return True
        return False
