"""What is told to whoever was wrong: how many tries are left, and how long to wait."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from common.errors import wait_words
from common.limits import try_take
from common.redis import redis_get
from households.accounts.tries import ACCOUNT_PER_S, ADDRESS_MOST, ADDRESS_PER_S, account_take
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

LEFT = re.compile(r"You have .*? left\.|That was the last try for now\.")
WAIT = re.compile(r'<try-again data-seconds="(\d+)">(.*?)</try-again>')


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def sign_in(n: int = 0, email: str = "anna@example.org", password: str = "wrong") -> Any:
    client = Client(REMOTE_ADDR=f"203.0.113.{n}")
    return client.post(reverse("account_login"), {"login": email, "password": password})


def left(answer: Any) -> str:
    return " ".join(LEFT.findall(answer.content.decode()))


def waits(answer: Any) -> tuple[int, str]:
    """Seconds, and the words for whoever has no JavaScript."""
    [(seconds, words)] = WAIT.findall(answer.content.decode())
    return int(seconds), words


@pytest.mark.parametrize("email", ["anna@example.org", "nobody@example.org"])
def test_from_the_third_wrong_try_on_the_page_says_what_is_left_and_nothing_of_whether_there_is_such_an_account(
    cast: Cast, email: str
) -> None:
    answers = [sign_in(n, email) for n in range(6)]
    assert [left(answer) for answer in answers] == [
        "",
        "",
        "You have 2 tries left.",
        "You have one try left.",
        "That was the last try for now.",
        "",
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [bool(WAIT.search(answer.content.decode())) for answer in answers] == [False] * 4 + [True] * 2


def test_who_tried_too_often_reads_how_long_to_wait_and_a_program_does_too(cast: Cast) -> None:
    taken = [account_take("anna@example.org") for _ in range(5)]
    first = taken[0]
    score = redis_get().zscore(first.key, first.id)
    assert isinstance(score, float)
    redis_get().zadd(
        first.key, {first.id: score - 1000 * (ACCOUNT_PER_S - 150)}
    )  # as if it had been a while ago
    answer = sign_in(password=PASSWORD)
    assert answer.status_code == 429
    assert "Too many wrong tries for this account, here or elsewhere." in answer.content.decode()
    seconds, words = waits(answer)
    assert 120 < seconds <= 150
    assert answer["Retry-After"] == str(seconds)
    assert words == "Try again in 3 minutes."


def test_an_address_that_tried_too_often_is_told_so_too(cast: Cast) -> None:
    answers = [sign_in(email=f"somebody{n}@example.org") for n in range(ADDRESS_MOST + 1)]
    assert [left(answer) for answer in answers[-4:]] == [
        "You have 2 tries left.",
        "You have one try left.",
        "That was the last try for now.",
        "",
    ]
    late = answers[-1]
    assert (late.status_code, waits(late)) == (429, (int(late["Retry-After"]), "Try again in a minute."))
    assert int(late["Retry-After"]) <= ADDRESS_PER_S
    assert f'href="{reverse("account_login")}" data-waits' in late.content.decode()


def test_a_password_that_is_asked_for_again_and_a_new_one_say_it_too(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    again = reverse("account_reauthenticate")
    pages = [client.post(again, {"password": "wrong"}) for _ in range(3)]
    new = {
        "oldpassword": "wrong",
        "password1": "a sentence that is new",
        "password2": "a sentence that is new",
    }
    pages += [client.post(reverse("account_change_password"), new) for _ in range(2)]
    pages.append(client.post(reverse("households:account-email"), {"email": "a@b.org", "password": "wrong"}))
    assert [left(page) for page in pages[2:5]] == [
        "You have 2 tries left.",
        "You have one try left.",
        "That was the last try for now.",
    ]
    assert (pages[5].status_code, waits(pages[5])[1]) == (429, "Try again in 5 minutes.")


def test_what_was_right_says_nothing_of_tries(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    for _ in range(3):
        account_take("anna@example.org")
    weak = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    page = client.post(reverse("account_change_password"), weak)
    assert (page.status_code, left(page)) == (200, "")


def test_other_limits_tell_when_to_come_back_too(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    for _ in range(60):
        answer = client.post(reverse("devices:take"), {"token": "x" * 22})
    assert answer.status_code == 404
    late = client.post(reverse("devices:take"), {"token": "x" * 22})
    assert (late.status_code, waits(late)[0]) == (429, int(late["Retry-After"]))
    assert 0 < int(late["Retry-After"]) <= 900


def test_the_wait_is_said_in_whole_minutes_and_never_too_short() -> None:
    said = [wait_words(seconds) for seconds in (1, 60, 61, 161, 3600, 3601)]
    assert said == [
        "Try again in a minute.",
        "Try again in a minute.",
        "Try again in 2 minutes.",
        "Try again in 3 minutes.",
        "Try again in 60 minutes.",
        "Try again in 2 hours.",
    ]


def test_a_try_knows_what_is_left_after_it() -> None:
    counted = [try_take("left", most=3, per_s=60, message="no") for _ in range(3)]
    assert [one.left for one in counted] == [2, 1, 0]
    assert 59 <= counted[2].again_s <= 60
