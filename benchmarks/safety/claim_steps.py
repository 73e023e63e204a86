"""CL: how long each step of a claim takes in a hub with 1,000 devices in 50 households, one after the other."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.figures import Figure, Options, figure, quantile
from benchmarks.safety.homes import homes_make, secret_in
from benchmarks.safety.service import Service, service_open
from tests.plugin_cast import csr_make

STEPS: Final = {
    "ask": "the device asks for codes",
    "wait": "it asks whether somebody has added it, and nobody has",
    "page": "the page that reads the code",
    "typed": "a typed code shows the device",
    "scanned": "a scanned code shows the device",
    "known": "a device shows up that the household knows with another key",
    "confirm": "a member adds it",
    "certificate": "it gets its certificate",
    "joining": "the page that waits for it",
}
FIGURES: Final = tuple(f"CL.{step}" for step in STEPS)
HOUSEHOLDS: Final = 50
DEVICES_EACH: Final = 20
CLAIMS: Final = 200
CLAIMS_QUICK: Final = 20
_OK, _FOUND = httpx.codes.OK, httpx.codes.FOUND
_ADDRESS_LIMIT: Final = "limit:authorize:127.0.0.1"


class Watch:
    """Seconds by step. An answer that is not the expected one ends the benchmark."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    def time(self, step: str, expected: int, ask: Callable[[], httpx.Response]) -> httpx.Response:
        began_s = time.perf_counter()
        answer = ask()
        self.times[step].append(time.perf_counter() - began_s)
        if answer.status_code != expected:
            raise RuntimeError(f"{step}: {answer.status_code} {answer.text[:300]}")
        return answer


def measure(options: Options) -> list[Figure]:
    claims, watch = CLAIMS_QUICK if options.is_quick else CLAIMS, Watch()
    with service_open(processes=1) as service:
        members = homes_make(HOUSEHOLDS, devices_each=DEVICES_EACH)
        for number in range(-3, claims):  # the first ones find a service that has done nothing yet
            _claim(service, members[number % HOUSEHOLDS], Watch() if number < 0 else watch)
    words = f"{claims} claims, {HOUSEHOLDS} households, {HOUSEHOLDS * DEVICES_EACH} devices"
    return [_figure(step, watch.times[step], words) for step in STEPS]


def _figure(step: str, times_s: list[float], words: str) -> Figure:
    value, middle = quantile(times_s, 0.95), quantile(times_s, 0.5)
    return figure(
        f"CL.{step}",
        f"{STEPS[step]}, p95",
        None if value is None else 1000 * value,
        "ms",
        bar="<= 100",
        reference=f"{words}, p50 {1000 * (middle or 0):.3g} ms",
    )


def _claim(service: Service, member: Any, watch: Watch) -> None:
    with service.device() as device, service.person(member.user) as person:
        codes = _ask(device, watch, serial=f"SN {time.perf_counter_ns()}")
        token = {"device_code": codes["device_code"]}
        watch.time("wait", httpx.codes.BAD_REQUEST, lambda: device.post("/api/v1/devices/token", json=token))
        watch.time("page", _OK, lambda: person.get("/claim/"))
        typed, scanned = {"user_code": codes["user_code"]}, {"secret": secret_in(codes)}
        watch.time("typed", _OK, lambda: person.post("/devices/lookup/", data=typed))
        watch.time("scanned", _OK, lambda: person.post("/devices/lookup/", data=scanned))
        fields = {**scanned, "name": "Attic", "room_name": "Attic"}
        added = watch.time("confirm", _FOUND, lambda: person.post("/devices/confirm/", data=fields))
        watch.time("certificate", _OK, lambda: device.post("/api/v1/devices/token", json=token))
        watch.time("joining", _OK, lambda: person.get(added.headers["Location"]))
        known = {"secret": secret_in(_ask(device, Watch(), serial=_serial_of(member)))}
        watch.time("known", _OK, lambda: person.post("/devices/lookup/", data=known))


def _ask(device: httpx.Client, watch: Watch, *, serial: str) -> dict[str, str]:
    from django.core.cache import cache

    cache.delete(_ADDRESS_LIMIT)
    key = ec.generate_private_key(ec.SECP256R1())
    body = {"csr_pem": csr_make(key), "model": "Hearthline speaker", "serial": serial}
    answer = watch.time("ask", _OK, lambda: device.post("/api/v1/devices/authorizations", json=body))
    codes: dict[str, str] = answer.json()
    return codes


def _serial_of(member: Any) -> str:
    """Of a device that the household has already."""
    from django_scopes import scope

    from devices.models import Device

    with scope(household=member.household):
        return Device.objects.filter(household=member.household).earliest("pk").serial
