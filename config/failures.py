"""What failed in the last day, in words for the status page."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.exceptions import RedisError

from common.failures import MEDIA_WORKER, failure_list

_NAMES = {
    MEDIA_WORKER: "A media worker",
    "web": "What shows these pages",
    "media": "What carries the audio",
    "speech": "The helper that speaks",
    "words": "The helper that writes down",
    "chores": "The helper for everything else",
    "beat": "The clock of the hub",
    "device": "The demo speaker",
    "postgres": "The database",
    "valkey": "What keeps the work in line",
}


@dataclass(frozen=True)
class PastFailures:
    """`lines`: a sentence for each part and computer."""

    count: int
    last_at: datetime
    lines: list[str]


def past_failures() -> PastFailures | None:
    """None where nothing failed that anybody noticed, or while Redis is away."""
    try:
        failures = failure_list()
    except RedisError:
        return None
    if not failures:
        return None
    last_at = datetime.fromtimestamp(max(failure.at_s for failure in failures), tz=UTC)
    counts = Counter((failure.part, failure.host, failure.is_lost) for failure in failures)
    lines = [_line(*kind, count) for kind, count in sorted(counts.items())]
    return PastFailures(len(failures), last_at, lines)


def _line(part: str, host: str, is_lost: bool, count: int) -> str:
    where = f" on {host}" if host else ""
    times = "" if count == 1 else f" {count} times"
    what = "went away without a word" if is_lost else "failed and was started again"
    return f"{_NAMES.get(part, part)}{where} {what}{times}."
