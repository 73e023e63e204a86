"""Whether PostgreSQL and Redis answer, and where they are looked for."""

from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import OperationalError, connection
from redis.exceptions import RedisError


def server_addresses() -> tuple[str, str]:
    """Of PostgreSQL and of Redis, in words, without user or password."""
    known, url = connection.settings_dict, urlsplit(settings.REDIS_URL)
    host = known["OPTIONS"].get("host") or known["HOST"] or "localhost"
    return (
        f"PostgreSQL at {host}{':' * bool(known['PORT'])}{known['PORT']}",
        f"Redis at {url.path if url.scheme == 'unix' else f'{url.hostname}:{url.port or 6379}'}",
    )


def silent_servers() -> list[str]:
    """The addresses of those that do not answer now."""
    answers = (_database_answers(), _redis_answers())
    return [address for address, is_there in zip(server_addresses(), answers, strict=True) if not is_there]


def _database_answers() -> bool:
    try:
        connection.ensure_connection()
    except OperationalError:
        return False
    finally:
        connection.close()
    return True


def _redis_answers() -> bool:
    client = redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_LIMITS)
    try:
        client.ping()
    except (RedisError, OSError):
        return False
    finally:
        client.close()
    return True
