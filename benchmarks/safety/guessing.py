"""S5: how likely somebody guesses a claim. Tries are counted on a running service of two processes, many at once."""

import base64
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import httpx

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.homes import device_asks, homes_make, secret_of
from benchmarks.safety.service import Service, service_open

if TYPE_CHECKING:
    from households.models import User

FIGURES: Final = ("S5.tries", "S5.hub", "S5.code", "S5.day", "S5.secret")
AT_ONCE: Final = 16
CODES_ALIVE: Final = 100
TRIES_OF_ONE: Final = 40
# The window slides, so in the life of a code there is one. One more is counted for the edges, of a day, too.
WINDOWS_OF_A_CODE: Final = 2
WINDOWS_OF_A_DAY: Final = 24 * 4 + 1
_COUNTED_AFTER_S: Final = 3.0  # a connection tells its counts when it ends


def measure(options: Options) -> list[Figure]:
    with service_open(processes=2) as service:
        people = homes_make(1, adults_each=3 if options.is_quick else 220)
        one = _looked_up(service, [people[0].user] * TRIES_OF_ONE)
        codes = device_asks()
        hub = one + _looked_up(service, [member.user for member in people[1:] for _ in range(7)])
        # A small sample cannot spend the tries of the whole hub.
        found = _figures(options, one, hub)
        bits = 8 * len(base64.urlsafe_b64decode(secret_of(codes) + "=="))
        return [*found, figure("S5.secret", "secret of the QR code", bits, "bit", bar=">= 128")]


def _figures(options: Options, one: int, hub: int) -> list[Figure]:
    from django.conf import settings

    from protocol.enrollment import USER_CODE_ALPHABET, USER_CODE_LENGTH

    space = USER_CODE_LENGTH * math.log2(len(USER_CODE_ALPHABET))
    most = settings.CLAIM_TRIES_PER_QUARTER_HOUR if options.is_quick else hub
    code = math.log2(most * WINDOWS_OF_A_CODE) - space
    day = math.log2(most * WINDOWS_OF_A_DAY * CODES_ALIVE) - space
    words = f"{TRIES_OF_ONE} wrong codes, {AT_ONCE} at once, forged addresses, two processes"
    return [
        figure("S5.tries", "wrong codes of one person looked up", one, "", bar="<= 5", reference=words),
        figure(
            "S5.hub",
            "wrong codes of everybody looked up in 15 min",
            hub,
            "",
            bar=f"<= {settings.CLAIM_TRIES_PER_QUARTER_HOUR}",
            reference="the small sample has too few people to spend them" if options.is_quick else "",
        ),
        figure(
            "S5.code",
            "log2 of the chance to guess one code in its life",
            code,
            "",
            bar="<= -32",
            reference=f"{space:.2f} bit; everybody guesses, over two windows",
        ),
        figure(
            "S5.day",
            "log2 of the chance to guess any of 100 codes in a day",
            day,
            "",
            bar="<= -20",
            reference=f"{WINDOWS_OF_A_DAY} windows",
        ),
    ]


def _looked_up(service: Service, users: "Sequence[User]") -> int:
    """How many of so many wrong codes, each by its person, were looked up in the database, whatever was answered."""
    clients = {user: [service.person(user, at=at) for at in range(2)] for user in dict.fromkeys(users)}

    def guess(number: int) -> None:
        address = f"203.0.113.{number % 250}"
        headers = {"X-Forwarded-For": address, "Forwarded": f"for={address}", "X-Real-IP": address}
        client: httpx.Client = clients[users[number]][number % 2]
        answer = client.post("/devices/lookup/", data={"user_code": "BCDFGHJKLM"}, headers=headers)
        if answer.status_code not in (httpx.codes.NOT_FOUND, httpx.codes.TOO_MANY_REQUESTS):
            raise RuntimeError(f"the hub answered {answer.status_code}")

    before = _look_ups()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(guess, range(len(users))))
    return _look_ups() - before


def _look_ups() -> int:
    """As PostgreSQL counts them."""
    from django.db import connection

    time.sleep(_COUNTED_AFTER_S)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables"
            " WHERE relname = 'devices_deviceauthorization'"
        )
        (count,) = cursor.fetchone()
    return int(count)
