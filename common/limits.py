"""Counting tries, in the shared cache so that every process counts together."""

from contextlib import suppress

from django.core.cache import cache
from redis.exceptions import RedisError

from common.errors import TooMany, Unavailable


def limit_check(key: str, *, most: int, message: str) -> None:
    """Raises TooMany when `most` tries of this window are spent already. Counts nothing."""
    if cache.get(f"limit:{key}", 0) >= most:
        raise TooMany(message)


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


def limit_return(key: str) -> None:
    """Give back one try that limit_hit counted, where its window goes on. What cannot be given back stays counted."""
    with suppress(ValueError, RedisError):
        if cache.decr(f"limit:{key}") < 0:
            cache.delete(f"limit:{key}")
