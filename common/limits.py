"""Counting tries, in the shared cache so that every process counts together."""

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
    except ValueError:  # the window ended in between
        return
    except RedisError:
        raise Unavailable("The hub has a problem. Try again in a moment.") from None
    if count > most:
        raise TooMany(message)
