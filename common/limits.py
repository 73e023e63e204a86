"""Counting tries, in the shared cache so that every process counts together."""

import math
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
        raise TooMany(message, retry_after_s=_left_s(f"limit:{key}", per_s))


@dataclass
class Try:
    """One counted try; `give_back` it when it was no wrong one, else `fail` it, once.

    `left`: how many more there are if it was wrong. `again_s`: until there is one more.
    """

    key: str
    id: str
    most: int
    left: int = 0
    again_s: int = 0
    is_given_back: bool = False

    def give_back(self) -> None:
        self.is_given_back = True
        with suppress(RedisError):  # then it counts, and is forgotten in time
            redis_get().zrem(self.key, self.id)

    def fail(self) -> bool:
        """It was a wrong one. Whether that makes all of them wrong: of many at once, one is told so.

        Tries that are being made may be right yet, so they are not wrong here, although they count.
        """
        with suppress(RedisError):
            return bool(redis_get().eval(_FAIL, 1, self.key, self.id, self.most))
        return False


def try_take(key: str, *, most: int, per_s: int, message: str, unavailable: str = "") -> Try:
    """Count one try before it is made. Raises TooMany where `most` were made in the last `per_s` seconds, with the time
    until there is one again.

    The window slides, and asking and counting are one step in Redis, so that many at once over several processes are
    no more than one after the other. Raises Unavailable while Redis is away.
    """
    taken = Try(f"tries:{key}", uuid4().hex, most)
    try:
        is_counted, taken.left, wait_ms = redis_get().eval(_TAKE, 1, taken.key, per_s * 1000, most, taken.id)
    except RedisError:
        raise Unavailable(unavailable or "The hub has a problem. Try again in a moment.") from None
    taken.again_s = math.ceil(wait_ms / 1000)
    if not is_counted:
        raise TooMany(message, retry_after_s=taken.again_s)
    return taken


def tries_forget(key: str) -> None:
    """All that were counted under this key. While Redis is away they run out in time."""
    with suppress(RedisError):
        redis_get().delete(f"tries:{key}")


TOLD_FROM: Final = 2  # that is after the third wrong try of five


def tries_left_words(*tries: Try) -> str:
    """For whoever was wrong; "" while there are more than a few. Says the same of an account that does not exist."""
    left = min(one.left for one in tries)
    if left > TOLD_FROM:
        return ""
    return {0: "That was the last try for now.", 1: "You have one try left."}.get(
        left, f"You have {left} tries left."
    )


def again_s(*tries: Try) -> int:
    """0 while there are tries left."""
    return max((one.again_s for one in tries if one.left == 0), default=0)


def _left_s(key: str, most_s: int) -> int:
    """Of a window that is open."""
    with suppress(RedisError):
        left_s = int(redis_get().ttl(cache.make_key(key)))
        return left_s if 0 < left_s <= most_s else most_s
    return most_s


# A wrong one has a word behind its id.
_FAIL: Final = """
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at then return 0 end
redis.call('ZADD', KEYS[1], at, ARGV[1] .. ' wrong')
redis.call('ZREM', KEYS[1], ARGV[1])
local wrong = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(id, -6) == ' wrong' then wrong = wrong + 1 end
end
return wrong >= tonumber(ARGV[2]) and 1 or 0
"""

# The clock of Redis, which all processes share.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
local left = tonumber(ARGV[2]) - redis.call('ZCARD', KEYS[1])
if left > 0 then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {left > 0 and 1 or 0, math.max(left - 1, 0), oldest + ARGV[1] - now}
"""
