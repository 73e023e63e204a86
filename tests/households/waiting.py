"""Two who do something at once: one holds the row, and the other is known to wait for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, connections, transaction

_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
_WITHIN_S = 10.0


@contextmanager
def before(other: Callable[[], object]) -> Iterator[None]:
    """What is done inside comes first: `other` begins meanwhile, has to wait for it, and has ended afterwards.

    Needs django_db(transaction=True).
    """

    def run() -> None:
        try:
            other()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        yield
        thread.start()
        _until_somebody_waits()
    thread.join()


def _until_somebody_waits() -> None:
    """For what this connection holds."""
    deadline_s = time.monotonic() + _WITHIN_S
    with connection.cursor() as cursor:
        while time.monotonic() < deadline_s:
            cursor.execute(_WAITING)
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")
