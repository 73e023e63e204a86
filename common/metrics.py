"""The numbers of other processes for Prometheus: each leaves its text in Redis, and the web shows all of them.

So there is one address to ask, and no port more on any host.
"""

from collections.abc import Iterable

import structlog
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from common.redis import redis_get

log = structlog.get_logger(__name__)

KEPT_S = 15
MAX_BYTES = 256 * 1024  # of one process
_PREFIX = "metrics:"


def metrics_publish(process: str, text: bytes) -> None:
    """`text` in Prometheus' own format, for 15 s. Raises redis.RedisError."""
    redis_get().set(f"{_PREFIX}{process}", text[:MAX_BYTES], ex=KEPT_S)


class PublishedCollector(Collector):
    """What the other processes published, each sample with the label `process`. Nothing while Redis is away."""

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for process, text in _published():
            for family in _families(process, text):
                into = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    into.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
        return families.values()


def _families(process: str, text: str) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(text))
    except ValueError:  # cut off, or of another version
        log.warning("metrics_unreadable", process=process)
        return []


def _published() -> list[tuple[str, str]]:
    try:
        redis = redis_get()
        keys = sorted(redis.scan_iter(match=f"{_PREFIX}*", count=100))
        texts = redis.mget(keys) if keys else []
    except RedisError:
        return []
    return [
        (str(key).removeprefix(_PREFIX), str(text))
        for key, text in zip(keys, texts, strict=True)
        if text is not None
    ]
