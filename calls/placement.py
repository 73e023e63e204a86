"""Which media workers there are, and which one takes the next call. Leases in Redis, renewed every second."""

import json
from dataclasses import dataclass

from redis.exceptions import RedisError

from common.errors import Unavailable
from common.redis import redis_get
from protocol.errors import ErrorCode

HEARTBEAT_S = 1.0
LEASE_S = 5
_PREFIX = "media:worker:"


@dataclass(frozen=True)
class Worker:
    worker_id: str
    leg_count: int


def worker_heartbeat(*, worker_id: str, leg_count: int) -> None:
    """Raises redis.RedisError while Redis is away."""
    redis_get().set(f"{_PREFIX}{worker_id}", json.dumps({"leg_count": leg_count}), ex=LEASE_S)


def worker_goodbye(*, worker_id: str) -> None:
    redis_get().delete(f"{_PREFIX}{worker_id}")


def worker_list() -> list[Worker]:
    """Workers with a live lease, the least loaded first."""
    redis = redis_get()
    workers = []
    for key in redis.scan_iter(match=f"{_PREFIX}*", count=100):
        value = redis.get(key)
        if value:
            workers.append(Worker(key.removeprefix(_PREFIX), json.loads(value)["leg_count"]))
    return sorted(workers, key=lambda worker: (worker.leg_count, worker.worker_id))


def worker_choose() -> str:
    """The id of the least loaded worker. Raises Unavailable when there is none."""
    try:
        workers = worker_list()
    except RedisError:
        workers = []
    if not workers:
        raise Unavailable(
            "The hub cannot carry audio right now: its media worker is not running.", code=ErrorCode.NO_WORKER
        )
    return workers[0].worker_id


def worker_is_alive(worker_id: str) -> bool:
    return bool(redis_get().exists(f"{_PREFIX}{worker_id}"))
