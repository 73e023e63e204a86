"""Counting tries, in the shared cache so that every process counts together."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from django.core.cache import cache
from redis.exceptions import RedisError

from common.errors import TooMany, Unavailable
from common.redis import redis_get


def limit_hit(key: str, *, most: int, per_s: int, message: str) -> None:
    """Count one try. Raises TooMany once there were more than `most` in `per_s` seconds (fixed window).

    Raises Unavailable while Redis is away: nothing that is counted may be tried without being counted.
    """
    try:
        cache.add(f"limit:{key}", 0, timeout=per_s)
        count = cache.incr(f"limit:{key}")
        if count <= 1:  # the window ended in between, and a key that incr() makes would stay for ever
            cache.touch(f"limit:{key}", per_s)
    except ValueError:  # the window ended in between
        return
    except RedisError:
        raise Unavailable("The hub has a problem. Try again in a moment.") from None
    if count > most:
        raise TooMany(message)


@dataclass(frozen=True)
class Try:
    """One counted try; `give_back` it when it was no wrong one."""

    key: str
    id: str
    most: int

    def give_back(self) -> None:
        with suppress(RedisError):  # then it counts, and is forgotten in time
            redis_get().zrem(self.key, self.id)

    def is_last(self) -> bool:
        """Whether none is left now. To be asked soon: tries that were too long ago still count here."""
        with suppress(RedisError):
            return int(redis_get().zcard(self.key)) >= self.most
        return False


def try_take(key: str, *, most: int, per_s: int, message: str, unavailable: str = "") -> Try:
    """Count one try before it is made. Raises TooMany where `most` were made in the last `per_s` seconds.

    The window slides, and asking and counting are one step in Redis, so that many at once over several processes are
    no more than one after the other. Raises Unavailable while Redis is away.
    """
    taken = Try(f"tries:{key}", uuid4().hex, most)
    try:
        is_counted = redis_get().eval(_TAKE, 1, taken.key, per_s * 1000, most, taken.id)
    except RedisError:
        raise Unavailable(unavailable or "The hub has a problem. Try again in a moment.") from None
    if not is_counted:
        raise TooMany(message)
    return taken


# The clock of Redis, which all processes share.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
