"""`/metrics` for Prometheus: this web process, the calls, and what the media workers published."""

import hmac
from collections.abc import Iterable
from ipaddress import ip_address

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.http import require_GET
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from calls.selectors import call_counts
from common.metrics import PublishedCollector
from config.edge import PASSED_ON

# When each counter began helps nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]
# What proxies add, each its own choice of them. In the spelling of Django. Most end at config.edge, which says so.
_PROXY_HEADERS = ("Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip")
_PROXY_PREFIXES = ("X-Forwarded-", "X-Original-")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class _Own(Collector):
    """This process: its memory, its CPU, and what it counted itself."""

    def collect(self) -> Iterable[Metric]:
        return _labelled(REGISTRY.collect(), "web")


class _Calls(Collector):
    """From the rows. Nothing while PostgreSQL is away."""

    def collect(self) -> Iterable[Metric]:
        live = GaugeMetricFamily("hearthline_calls_live", "Calls that are not over.", labels=["state"])
        try:
            counts = call_counts()
        except DatabaseError:
            return []
        for state, count in counts.items():
            live.add_metric([state], count)
        return [live]


class _All(Collector):
    """One family for each name, whichever process counts it."""

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for part in (_Calls(), _Own(), PublishedCollector()):
            for family in part.collect():
                into = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                into.samples += family.samples
        return families.values()


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """For programs on this machine, or with HUB_METRICS_TOKEN as a bearer token. To others it is not there."""
    if not _may_read(request):
        return HttpResponseNotFound()
    registry = CollectorRegistry()
    registry.register(_All())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    """With a token set, only the token counts: behind a proxy on this machine everybody comes from loopback."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode())
    if getattr(request, "scope", {}).get(PASSED_ON):
        return False
    if any(name in _PROXY_HEADERS or name.startswith(_PROXY_PREFIXES) for name in request.headers):
        return False
    name = request.get_host().rpartition(":")[0] or request.get_host()
    try:
        is_local = ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    return is_local and name in _LOOPBACK_NAMES


def _labelled(families: Iterable[Metric], process: str) -> Iterable[Metric]:
    for family in families:
        copy = Metric(family.name, family.documentation, family.type)
        for sample in family.samples:
            copy.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
        yield copy
