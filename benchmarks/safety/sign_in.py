"""S21: guessing passwords and codes, from many addresses, with forged headers, over two processes. S20.session."""

import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.homes import homes_make
from benchmarks.safety.service import Service, service_open

if TYPE_CHECKING:
    from households.models import User

FIGURES: Final = ("S21.account", "S21.code", "S21.address", "S21.bypasses", "S20.session")
AT_ONCE: Final = 12
ACCOUNT_MOST: Final = 5
ADDRESS_MOST: Final = 10
_MINUTE_S: Final = 60.0
_PASSWORD: Final = "a long enough password"
_FORGED: Final = (
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Cluster-Client-IP",
    "X-Forwarded-Host",
    "X_Forwarded_For",
    "Remote_Addr",
    "Daphne-Root-Path",
    "X-Original-URL",
)


@dataclass(frozen=True)
class Answer:
    """`is_seen`: the hub compared what was guessed, and did not refuse it unseen."""

    is_seen: bool
    sent_s: float
    came_s: float


def measure(options: Options) -> list[Figure]:
    count = 60 if options.is_quick else 500
    with service_open(processes=2) as service:
        users = _people(count)
        rng = range(count)
        account = _guess(service, [(users[0].email, f"127.1.{n // 200}.{n % 200 + 1}") for n in rng])
        address = _guess(service, [(users[n].email, "127.0.0.1") for n in rng])
        code = _codes_seen(service, users[1])
        bypasses = max(0, sum(one.is_seen for one in account) - ACCOUNT_MOST) + _over(address)
        renewed = _renewed(service, users[2], 10 if options.is_quick else 50)
    words = "over two processes, with twelve forged headers and names of the hub"
    return [
        figure(
            "S21.account",
            "wrong passwords of an account compared in 5 min",
            sum(one.is_seen for one in account),
            "",
            bar=f"<= {ACCOUNT_MOST}",
            reference=f"{count} tries from as many addresses, {words}",
        ),
        figure("S21.code", "wrong codes of an account compared in 5 min", code, "", bar=f"<= {ACCOUNT_MOST}"),
        figure(
            "S21.address",
            "most tries of an address compared in a minute",
            _most_in_a_minute(address),
            "",
            bar=f"<= {ADDRESS_MOST}",
            reference=f"{count} tries at as many accounts, {words}",
        ),
        figure("S21.bypasses", f"tries of {2 * count} that got around a limit", bypasses, "", bar="= 0"),
        figure("S20.session", "sign-ins with a new session id, the old one dead", renewed, "%", bar="= 100"),
    ]


def _people(count: int) -> "list[User]":
    from households.models import User

    users = [member.user for member in homes_make(1, adults_each=max(count, 3))]
    users[0].set_password(_PASSWORD)
    for user in users:
        user.password = users[0].password
    User.objects.bulk_update(users, ["password"])
    return users


def _browser(service: Service, number: int, address: str) -> httpx.Client:
    """From an address of this machine: all of 127.0.0.0/8 is."""
    token = secrets.token_hex(16)
    return httpx.Client(
        base_url=service.urls[number % len(service.urls)],
        transport=httpx.HTTPTransport(local_address=address),
        headers={"X-CSRFToken": token},
        cookies={"csrftoken": token},
        timeout=60.0,
    )


def _forged(number: int) -> Iterator[tuple[str, str]]:
    for name in _FORGED:
        yield name, f"203.0.{number // 250}.{number % 250}"
    yield "Host", f"name{number}.example.org"


def _guess(service: Service, tries: Sequence[tuple[str, str]]) -> list[Answer]:
    """A wrong password for each account, from each address."""

    def guess(number: int) -> Answer:
        email, address = tries[number]
        fields = {"login": email.upper() if number % 2 else email, "password": f"wrong {number}"}
        with _browser(service, number, address) as browser:
            sent_s = time.monotonic()
            answer = browser.post("/accounts/login/", data=fields, headers=dict(_forged(number)))
            is_seen = "do not belong together" in answer.text
            if not is_seen and "Too many" not in answer.text:
                raise RuntimeError(f"the hub answered {answer.status_code}")
            return Answer(is_seen, sent_s, time.monotonic())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(guess, range(len(tries))))


def _most_in_a_minute(answers: Sequence[Answer]) -> int:
    """Of those that were compared: how many surely lie within one minute."""
    seen = [one for one in answers if one.is_seen]
    return max((sum(_is_within(other, one) for other in seen) for one in seen), default=0)


def _is_within(other: Answer, one: Answer) -> bool:
    return one.sent_s <= other.sent_s and other.came_s - one.sent_s < _MINUTE_S


def _over(answers: Sequence[Answer]) -> int:
    return max(0, _most_in_a_minute(answers) - ADDRESS_MOST)


def _codes_seen(service: Service, user: "User") -> int:
    """Of 40 wrong codes, each from an address of its own, after the right password."""
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    TOTP.activate(user, generate_totp_secret())

    def guess(number: int) -> int:
        with _browser(service, number, f"127.2.0.{number + 1}") as browser:
            browser.post("/accounts/login/", data={"login": user.email, "password": _PASSWORD})
            fields = {"code": f"{number:06}"}
            answer = browser.post("/accounts/2fa/authenticate/", data=fields, headers=dict(_forged(number)))
            return int("This code is not right." in answer.text)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(guess, range(40)))


def _renewed(service: Service, user: "User", count: int) -> float:
    """In percent: signed in with the session of a stranger in the cookie."""
    return 100 * sum(_is_renewed(service, user, number) for number in range(count)) / count


def _is_renewed(service: Service, user: "User", number: int) -> bool:
    from django.conf import settings

    from households.accounts.sessions import SessionStore

    name, given = settings.SESSION_COOKIE_NAME, SessionStore()
    given["of"] = "a stranger"
    given.save()
    fixed = str(given.session_key)
    with _browser(service, number, f"127.3.0.{number + 1}") as browser:
        browser.cookies.set(name, fixed, domain="127.0.0.1")
        browser.post("/accounts/login/", data={"login": user.email, "password": _PASSWORD})
        new = [cookie.value for cookie in browser.cookies.jar if cookie.name == name]
        is_in = browser.get("/settings/you/").status_code == httpx.codes.OK
    return is_in and fixed not in new and not SessionStore().exists(fixed)
