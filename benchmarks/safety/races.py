"""S6: fifty people press "Add" for one device at the same time, over real connections to two web processes."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.homes import device_asks, homes_make, secret_of
from benchmarks.safety.service import service_open

FIGURES: Final = ("S6.winners", "S6.errors", "S6.told")
PEOPLE: Final = 50
ROUNDS: Final = 200
ROUNDS_QUICK: Final = 10
_ADDED, _REFUSED = 302, 409
# What a loser may read: who was faster, or, in another home, no more than that.
_REASONS: Final = ("added this device a moment ago", "This device belongs to another home.")


def measure(options: Options) -> list[Figure]:
    rounds = ROUNDS_QUICK if options.is_quick else ROUNDS
    with service_open(processes=2) as service:
        members = homes_make(5, adults_each=PEOPLE // 5)
        clients = [service.person(member.user, at=at) for at, member in enumerate(members)]
        with ThreadPoolExecutor(PEOPLE) as pool:
            answers = [_round(pool, clients) for _ in range(rounds)]
        claimed = _devices_with_several_rows()
    statuses = [Counter(answer.status_code for answer in found) for found in answers]
    wrong = sum(count[_ADDED] != 1 for count in statuses) + claimed
    errors = sum(n for count in statuses for status, n in count.items() if status >= 500)
    losers = [answer for found in answers for answer in found if answer.status_code != _ADDED]
    told = sum(any(words in answer.text for words in _REASONS) for answer in losers)
    words = f"{PEOPLE} at once x {rounds} rounds, 5 households, two web processes"
    return [
        figure("S6.winners", "rounds without exactly one winner", wrong, "", bar="<= 0", reference=words),
        figure("S6.errors", "server errors", errors, "", bar="<= 0", reference=f"{statuses[0]} first"),
        figure("S6.told", "losers who read why", 100 * told / len(losers), "%", bar=">= 100"),
    ]


def _round(pool: ThreadPoolExecutor, clients: list[httpx.Client]) -> list[httpx.Response]:
    secret, start = secret_of(device_asks()), threading.Barrier(len(clients))

    def press(client: httpx.Client) -> httpx.Response:
        start.wait()
        return client.post(
            "/devices/confirm/", data={"secret": secret, "name": "Mine", "room_name": "Kitchen"}
        )

    return list(pool.map(press, clients))


def _devices_with_several_rows() -> int:
    """The same key claimed twice."""
    from django.db.models import Count
    from django_scopes import scopes_disabled

    from devices.models import Device

    with scopes_disabled():
        keys = Device.objects.values("fingerprint_sha256").annotate(count=Count("pk"))
        return keys.filter(count__gt=1).count()
