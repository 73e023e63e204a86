"""Health of one container, for compose.yml: `health.py web|media|tasks NAME|beat`. Exits 0 where it works.

Loads no Django, so that asking twice a minute costs little.
"""

import http.client
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TIMEOUT_S = 5.0
# Beat writes the times of its last runs each ten tasks (CELERY_BEAT_SYNC_EVERY), some every five seconds.
BEAT_SILENCE = "2 minutes"


def web() -> bool:
    """It answers, and so do the database and Redis."""
    host = urlsplit(os.environ.get("HUB_URL", "")).netloc or "localhost"
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("HUB_PORT", "8000")), timeout=TIMEOUT_S
    )
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()


def media() -> bool:
    """A worker of this host holds a lease."""
    import redis

    from config.embedded import given

    host = "".join(letter for letter in socket.gethostname() if letter.isascii() and letter.isalnum())
    with redis.Redis.from_url(given("REDIS_URL"), socket_timeout=TIMEOUT_S) as client:
        return any(
            True for _ in client.scan_iter(match=f"media:worker:{host[:32] or 'worker'}-*", count=1000)
        )


def tasks(name: str) -> bool:
    """The worker NAME of this host answers a ping."""
    from celery import Celery

    from config.embedded import celery_broker_url, given

    with Celery(broker=celery_broker_url(given("REDIS_URL")), set_as_current=False) as app:
        return bool(app.control.ping(destination=[f"{name}@{socket.gethostname()}"], timeout=TIMEOUT_S))


def beat() -> bool:
    """Something was scheduled lately."""
    import psycopg

    from config.embedded import given

    query = "SELECT max(last_run_at) > now() - %s::interval FROM django_celery_beat_periodictask"
    with psycopg.connect(given("DATABASE_URL"), connect_timeout=int(TIMEOUT_S)) as connection:
        row = connection.execute(query, [BEAT_SILENCE]).fetchone()
    return bool(row and row[0])


CHECKS: dict[str, Callable[..., bool]] = {"web": web, "media": media, "tasks": tasks, "beat": beat}

if __name__ == "__main__":
    sys.exit(0 if CHECKS[sys.argv[1]](*sys.argv[2:]) else 1)
