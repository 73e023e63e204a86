"""/metrics: what it tells, of which processes, and to whom."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django_scopes import scopes_disabled
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from calls.models import Call, CallParticipant
from calls.services import call_leg_joined
from common.clock import now
from common.metrics import metrics_publish
from common.redis import redis_get
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

LOCAL: dict[str, Any] = {"SERVER_NAME": "localhost", "REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture(autouse=True)
def nothing_published() -> Iterator[None]:
    yield
    for key in redis_get().scan_iter(match="metrics:*"):
        redis_get().delete(key)


def values() -> dict[tuple[str, str, str], float]:
    """(name, process, another label's value) -> value."""
    text = Client(**LOCAL).get("/metrics").content.decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            others = [value for name, value in sample.labels.items() if name != "process"]
            found[sample.name, sample.labels.get("process", ""), ",".join(others)] = sample.value
    return found


def worker_text(packets: int) -> bytes:
    registry = CollectorRegistry()
    counter = Counter("hearthline_media_packets_received", "Packets.", registry=registry)
    counter.inc(packets)
    lag = Histogram("hearthline_media_loop_lag_seconds", "Lag.", registry=registry, buckets=(0.1, 1))
    lag.observe(0.05)
    return generate_latest(registry)


def test_it_shows_the_live_calls_and_every_process_that_published(cast: Cast) -> None:
    with scopes_disabled():
        Call.objects.create(household=cast.anna.household, device=cast.kitchen, state=CallState.RINGING)
    metrics_publish("media:one", worker_text(7))
    metrics_publish("media:two", worker_text(9))
    found = values()
    assert found["hearthline_calls_live", "", "ringing"] == 1
    assert found["hearthline_calls_live", "", "connected"] == 0
    assert found["hearthline_media_packets_received_total", "media:one", ""] == 7
    assert found["hearthline_media_packets_received_total", "media:two", ""] == 9
    assert found["hearthline_media_loop_lag_seconds_bucket", "media:one", "0.1"] == 1
    assert found["process_cpu_seconds_total", "web", ""] > 0


def test_each_family_stands_there_once() -> None:
    for name in ("media:one", "media:two"):
        metrics_publish(name, worker_text(1))
    text = Client(**LOCAL).get("/metrics").content.decode()
    types = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))


def test_the_time_to_set_a_call_up_is_counted(cast: Cast) -> None:
    name = ("hearthline_call_setup_seconds_sum", "web", "")
    before = values()[name]
    with scopes_disabled():
        call = Call.objects.create(
            household=cast.anna.household,
            device=cast.kitchen,
            state=CallState.CONNECTING,
            accepted_at=now() - timedelta(seconds=2),
        )
        leg = CallParticipant.objects.create(
            household=call.household, call=call, role="caller", display_name="Anna"
        )
        call_leg_joined(leg=leg, worker_id=call.worker_id)
    assert values()[name] - before == pytest.approx(2.0, abs=0.5)


@pytest.mark.parametrize(
    "who",
    [
        {"SERVER_NAME": "localhost", "REMOTE_ADDR": "192.168.1.20"},
        {"SERVER_NAME": "hub.example.org", "REMOTE_ADDR": "127.0.0.1"},
        {**LOCAL, "HTTP_X_FORWARDED_FOR": "203.0.113.9"},
        {**LOCAL, "HTTP_X_FORWARDED_PROTO": "https"},
        {**LOCAL, "HTTP_X_FORWARDED_FOR": ""},
        {**LOCAL, "HTTP_FORWARDED": "for=203.0.113.9"},
        {**LOCAL, "HTTP_X_REAL_IP": "203.0.113.9"},
        {**LOCAL, "HTTP_VIA": "1.1 proxy"},
        {**LOCAL, "HTTP_CF_CONNECTING_IP": "203.0.113.9"},
        {"SERVER_NAME": "localhost", "REMOTE_ADDR": ""},
    ],
)
def test_nobody_from_outside_reads_it(who: dict[str, Any]) -> None:
    assert Client(**who).get("/metrics").status_code == 404


def test_with_a_token_only_the_token_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "METRICS_TOKEN", "long and secret")
    far = Client(SERVER_NAME="hub.example.org", REMOTE_ADDR="203.0.113.9")

    def status(given: str) -> int:
        return far.get("/metrics", headers={"Authorization": given}).status_code

    assert status("Bearer long and secret") == 200
    for given in ("Bearer wrong", "Bearer ", "", "long and secret", "Bearer long and secret "):
        assert status(given) == 404
    assert Client(**LOCAL).get("/metrics").status_code == 404


def test_a_text_of_no_use_costs_its_own_process_alone() -> None:
    metrics_publish("media:broken", b"this is no metric {")
    metrics_publish("media:one", worker_text(3))
    assert values()["hearthline_media_packets_received_total", "media:one", ""] == 3
