"""The numbers of a media worker for Prometheus. The hub's /metrics shows them with the worker's name."""

from collections.abc import Iterable

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from media.connection import guard
from protocol.quality import StatsSample

# When each counter began helps nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]
LEGS = Gauge("hearthline_media_legs", "Connections that this worker holds.")
CALLS = Gauge("hearthline_media_calls", "Calls whose audio this worker carries.")
TASKS = Gauge("hearthline_media_tasks", "What runs at once in this worker's event loop.")
PACKETS_RECEIVED = Counter("hearthline_media_packets_received", "RTP packets of microphones that came.")
PACKETS_LOST = Counter("hearthline_media_packets_lost", "RTP packets of microphones that never came.")
PACKETS_SENT = Counter("hearthline_media_packets_sent", "RTP packets that were sent to speakers.")
RECEIVED_BYTES = Counter("hearthline_media_received_bytes", "Opus that came, without headers.")
SENT_BYTES = Counter("hearthline_media_sent_bytes", "Opus that was sent, without headers.")
LOOP_LAG = Histogram(
    "hearthline_media_loop_lag_seconds",
    "How late a timer of one second was.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2),
)


class GuardCollector(Collector):
    """What the guard in front of aiortc dropped; see docs/subsystems/media.md."""

    def collect(self) -> Iterable[Metric]:
        drops = CounterMetricFamily(
            "hearthline_media_guard_drops", "What strangers or broken peers sent.", labels=["what"]
        )
        for name, count in vars(guard.counters).items():
            drops.add_metric([name.removesuffix("_dropped")], count)
        yield drops


REGISTRY.register(GuardCollector())


def count(sample: StatsSample) -> None:
    """One second of one leg."""
    PACKETS_RECEIVED.inc(sample.packets_received)
    PACKETS_LOST.inc(sample.packets_lost)
    PACKETS_SENT.inc(sample.packets_sent)
    RECEIVED_BYTES.inc(sample.bytes_received)
    SENT_BYTES.inc(sample.bytes_sent)
