"""Which media workers there are, and which one takes the next call. Leases in Redis, renewed every second."""

import json
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count
from django_scopes import scopes_disabled
from pydantic import TypeAdapter
from redis.exceptions import RedisError

from calls.models import Call
from calls.state import LIVE_STATES
from common.errors import Unavailable
from common.redis import redis_get
from protocol.errors import ErrorCode

HEARTBEAT_S = 1.0
LEASE_S = 3
GONE_AFTER_S = 2.5  # without its lease
SETTLE_S = 2.0  # after Redis was away: others may be slower to renew theirs
CAPACITY = 120  # legs of one worker process
LEFT_KNOWN_S = 60  # everybody has noticed by then that its lease is gone
LEGS_PER_CALL = 2
_PREFIX = "media:worker:"
_LEFT = "media:left:"


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A lease. `call_ids`: public ids of the calls whose audio it carries."""

    worker_id: str
    leg_count: int = 0
    capacity: int = CAPACITY
    call_ids: tuple[str, ...] = ()
    is_draining: bool = False
    host: str = ""
    pid: int = 0


_LEASE = TypeAdapter(Worker)


def worker_heartbeat(
    *,
    worker_id: str,
    leg_count: int,
    capacity: int = CAPACITY,
    call_ids: Iterable[str] = (),
    is_draining: bool = False,
) -> None:
    """Raises redis.RedisError while Redis is away."""
    lease = {
        "leg_count": leg_count,
        "capacity": capacity,
        "call_ids": list(call_ids),
        "is_draining": is_draining,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    redis_get().set(f"{_PREFIX}{worker_id}", json.dumps(lease), ex=LEASE_S)


def worker_goodbye(*, worker_id: str) -> None:
    """It stops because it was told to. Raises redis.RedisError."""
    redis_get().set(f"{_LEFT}{worker_id}", "1", ex=LEFT_KNOWN_S)
    worker_forget(worker_id=worker_id)


def worker_forget(*, worker_id: str) -> None:
    """It has ended, and its lease with it. Raises redis.RedisError."""
    redis_get().delete(f"{_PREFIX}{worker_id}")


def worker_said_goodbye(worker_id: str) -> bool:
    """Within the last minute. Raises redis.RedisError."""
    return bool(redis_get().exists(f"{_LEFT}{worker_id}"))


def worker_list() -> list[Worker]:
    """Workers with a live lease, the least loaded first. Raises redis.RedisError."""
    redis = redis_get()
    keys = list(redis.scan_iter(match=f"{_PREFIX}*", count=100))
    leases = zip(keys, redis.mget(keys), strict=True) if keys else ()
    workers = [
        _LEASE.validate_python({"worker_id": key.removeprefix(_PREFIX)} | json.loads(value))
        for key, value in leases
        if value
    ]
    return sorted(workers, key=lambda worker: (worker.leg_count / worker.capacity, worker.worker_id))


def worker_choose(*, besides: str = "") -> str:
    """The id of the least loaded worker. Raises Unavailable when there is none, or when all are full."""
    try:
        workers = [w for w in worker_list() if not w.is_draining and w.worker_id != besides]
    except RedisError:
        workers = []
    if not workers:
        raise Unavailable(
            "The part of the hub that carries the audio is not running. Wait a moment, then try again.",
            code=ErrorCode.NO_WORKER,
        )
    shares = _shares(workers)
    free = [worker.worker_id for worker in workers if shares[worker.worker_id] < 1]
    if not free:
        raise Unavailable(
            "The hub carries as many calls as it can right now. Try again in a moment.",
            code=ErrorCode.NO_WORKER,
        )
    return min(free, key=lambda worker_id: (shares[worker_id], worker_id))


def worker_is_there() -> bool:
    """Whether any takes calls. False while Redis is away."""
    try:
        return any(not worker.is_draining for worker in worker_list())
    except RedisError:
        return False


def worker_is_alive(worker_id: str) -> bool:
    return bool(redis_get().exists(f"{_PREFIX}{worker_id}"))


def worker_takes(worker_id: str) -> bool:
    """Whether it is there and takes new connections. Raises redis.RedisError."""
    value = redis_get().get(f"{_PREFIX}{worker_id}")
    return bool(value) and not json.loads(str(value)).get("is_draining")


class LeaseWatch:
    """Tells the workers that are gone from those whose lease is merely missing. Pure; fed once a second.

    Redis that was away, or lost its memory, has no leases for a moment although everybody lives. So only an absence
    counts that lasts for `GONE_AFTER_S` while the watcher's own lease is there.
    """

    def __init__(self, own_id: str) -> None:
        self._own_id = own_id
        self._known: set[str] = set()
        self._missing_since_s: dict[str, float] = {}
        self._settled_at_s = 0.0

    def expect(self, worker_ids: Iterable[str]) -> None:
        """These should be there: calls are with them."""
        self._known |= set(worker_ids) - {self._own_id, ""}

    def look(self, present: set[str] | None, now_s: float) -> list[str]:
        """`present` is None while Redis is away. Returns those that are gone, each once."""
        if present is None or self._own_id not in present:
            self._settled_at_s = now_s + SETTLE_S
        if now_s < self._settled_at_s or present is None:
            self._missing_since_s = {}
            return []
        self.expect(present)
        since_s = {
            worker_id: self._missing_since_s.get(worker_id, now_s) for worker_id in self._known - present
        }
        gone = sorted(worker_id for worker_id, then_s in since_s.items() if now_s - then_s >= GONE_AFTER_S)
        self._known -= set(gone)
        self._missing_since_s = {name: then_s for name, then_s in since_s.items() if name not in gone}
        return gone


def _shares(workers: list[Worker]) -> dict[str, float]:
    """How full each one is. A lease is up to a second old, so calls that were just placed count from their rows."""
    with scopes_disabled():
        rows = (
            Call.objects.filter(state__in=LIVE_STATES, worker_id__in=[w.worker_id for w in workers])
            .values_list("worker_id")
            .annotate(Count("pk"))
        )
        placed = {worker_id: LEGS_PER_CALL * count for worker_id, count in rows}
    return {w.worker_id: max(w.leg_count, placed.get(w.worker_id, 0)) / w.capacity for w in workers}
