"""What failed in the last day, for the status page: whoever starts it again, or misses it, notes it in Redis."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from common.clock import now
from common.redis import redis_get

KEPT = timedelta(days=1)
MOST = 500  # a part that fails all day long must not fill Redis
MEDIA_WORKER = "media worker"
_NOTED_FOR = timedelta(hours=1)  # by then everybody has noticed
_LIST = "failures"
_NOTED = "failure:noted:"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """`part`: MEDIA_WORKER, or a name of config.programs or of a private server. `at_s`: Unix time.

    `is_lost`: it went away with its host, so that nobody could start it again there.
    """

    part: str
    host: str
    at_s: float
    is_lost: bool = False


_FAILURE = TypeAdapter(Failure)


def failure_note(*, part: str, host: str, at: datetime, is_lost: bool = False, once: str = "") -> bool:
    """`once`: an id of what failed, where several notice. False: another one did before. Raises redis.RedisError."""
    redis = redis_get()
    if once and not redis.set(f"{_NOTED}{once}", "1", ex=_NOTED_FOR, nx=True):
        return False
    line = json.dumps({"part": part, "host": host, "at_s": at.timestamp(), "is_lost": is_lost})
    with redis.pipeline() as pipe:
        pipe.lpush(_LIST, line)
        pipe.ltrim(_LIST, 0, MOST - 1)
        pipe.expire(_LIST, KEPT)
        pipe.execute()
    return True


def failure_list() -> list[Failure]:
    """Of the last day. Raises redis.RedisError."""
    since_s = (now() - KEPT).timestamp()
    found = [_FAILURE.validate_json(line) for line in redis_get().lrange(_LIST, 0, -1)]
    return [failure for failure in found if failure.at_s >= since_s]
