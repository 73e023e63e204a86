"""Redis for leases and counters. Rows that matter live in PostgreSQL.

A Redis that hangs, or whose network does, holds up whoever asks it, and all sockets of a process share one thread. So
nobody waits long, and where waiting would add up, a question that was not answered spares the next ones: `doubt`.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.exceptions import RedisError

DOUBTED_FOR_S = 1.0


class DoubtedError(redis.ConnectionError):
    """Redis was not asked, because it did not answer a moment ago."""


class Doubt:
    """Remembers for a moment that Redis did not answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until_s = 0.0

    def check(self) -> None:
        """Raises DoubtedError."""
        if self._clock() < self._until_s:
            raise DoubtedError("Redis did not answer a moment ago.")

    def note(self, error: RedisError | OSError) -> None:
        """What came of a question. An error in the question itself says nothing about Redis."""
        is_away = isinstance(error, redis.TimeoutError | redis.ConnectionError | OSError)
        if is_away and not isinstance(error, DoubtedError):
            self._until_s = self._clock() + DOUBTED_FOR_S


doubt = Doubt()


class HastyRedis(redis.Redis):
    """Asks nothing while Redis is doubted. For what may be left out, in threads that others wait for."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        ask: Callable[..., Any] = super().execute_command
        try:
            doubt.check()
            return ask(*args, **options)
        except (RedisError, OSError) as error:
            doubt.note(error)
            raise


@cache
def redis_get() -> redis.Redis:
    """One pool per process. Values are text."""
    return _client(redis.Redis)


@cache
def redis_hasty() -> redis.Redis:
    """As redis_get, but raises DoubtedError at once where the last question was not answered."""
    return _client(HastyRedis)


def _client(kind: type[redis.Redis]) -> redis.Redis:
    return kind.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        **settings.REDIS_LIMITS,
    )
