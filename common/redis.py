"""Redis for leases and counters. Rows that matter live in PostgreSQL."""

from functools import cache

import redis
from django.conf import settings


@cache
def redis_get() -> redis.Redis:
    """One pool per process. Values are text."""
    return redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, socket_timeout=5)
