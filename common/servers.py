"""Whether PostgreSQL and Redis answer, and where they were looked for."""

from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import OperationalError, connection
from redis.exceptions import RedisError


def silent_servers() -> list[str]:
    """Those that do not answer now, each with its address, and without user or password."""
    return [*_database(), *_redis()]


def _database() -> list[str]:
    try:
        connection.ensure_connection()
    except OperationalError:
        known = connection.settings_dict
        host = known["OPTIONS"].get("host") or known["HOST"] or "localhost"
        return [f"PostgreSQL at {host}{':' * bool(known['PORT'])}{known['PORT']}"]
    finally:
        connection.close()
    return []


def _redis() -> list[str]:
    url = urlsplit(settings.REDIS_URL)
    client = redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_LIMITS)
    try:
        client.ping()
    except (RedisError, OSError):
        return [f"Redis at {url.path if url.scheme == 'unix' else f'{url.hostname}:{url.port or 6379}'}"]
    finally:
        client.close()
    return []
