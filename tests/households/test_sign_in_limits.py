"""How often somebody may try, and what happens while nothing can be counted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django_scopes import scope
from redis.exceptions import ConnectionError as Away

from common.errors import TooMany
from common.limits import Try, try_take
from common.network import address_group
from common.redis import redis_get
from households.accounts.tries import account_take
from households.record.audit import AuditKind, audit_list, audit_sentence
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def sign_in(password: str = "wrong", email: str = "anna@example.org", **extra: Any) -> Any:
    return Client(**extra).post(reverse("account_login"), {"login": email, "password": password})


def told_of(cast: Cast) -> list[str]:
    with scope(household=cast.anna.household):
        about = audit_list(cast.anna.household).exclude(kind=AuditKind.CLAIMED)
        return [audit_sentence(entry) for entry in about]


def test_five_wrong_passwords_and_no_more_whoever_and_wherever_one_is(cast: Cast) -> None:
    writings = ["anna@example.org", "Anna@example.org", " anna@example.org ", "ANNA@EXAMPLE.ORG"]
    answers = [
        sign_in(email=writings[n % 4], REMOTE_ADDR=f"203.0.113.{n}", HTTP_HOST=f"name{n}.example.org")
        for n in range(8)
    ]
    refused = [
        "Too many wrong tries for this account, here or elsewhere." in answer.content.decode()
        for answer in answers
    ]
    assert refused == [False] * 5 + [True] * 3
    assert "Too many wrong tries for this account, here or elsewhere." in sign_in(PASSWORD).content.decode()
    assert sign_in(PASSWORD, "ben@example.org")["Location"] == "/"


def test_the_record_says_that_somebody_failed_and_when_no_more_was_taken_and_is_not_filled(
    cast: Cast,
) -> None:
    for _ in range(4):
        sign_in()
    assert told_of(cast) == ["Somebody failed to sign in as Anna."]
    for _ in range(4):
        sign_in()
    stopped = "After too many wrong tries nobody could sign in as Anna for some minutes."
    assert told_of(cast) == [stopped, "Somebody failed to sign in as Anna."]


def test_the_record_does_not_say_so_while_a_try_may_be_right_yet(cast: Cast) -> None:
    being_made = account_take("anna@example.org")
    for _ in range(4):
        sign_in()
    being_made.give_back()
    assert told_of(cast) == ["Somebody failed to sign in as Anna."]
    sign_in()
    assert len(told_of(cast)) == 2


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("account_reauthenticate", "password"),
        ("account_change_password", "oldpassword"),
        ("households:account-email", "password"),
    ],
)
def test_the_record_says_so_wherever_the_tries_were_made(
    cast: Cast, client: Client, address: str, field: str
) -> None:
    client.force_login(cast.anna.user)
    for _ in range(5):
        client.post(reverse(address), {field: "wrong", "email": "new@example.org"})
    assert sign_in(PASSWORD).status_code == 429
    stopped = "After too many wrong tries nobody could sign in as Anna for some minutes."
    assert told_of(cast).count(stopped) == 1


def test_an_address_has_ten_tries_a_minute_over_all_accounts_and_ways(cast: Cast) -> None:
    stranger: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.7"}
    for n in range(6):
        assert sign_in(email=f"somebody{n}@example.org", **stranger).status_code == 200
    for n in range(4):
        Client(**stranger).post(reverse("account_reset_password"), {"email": f"nobody{n}@example.org"})
    late = sign_in(PASSWORD, **stranger)
    assert late.status_code == 429
    assert "Too many tries from your network." in late.content.decode()
    assert sign_in(PASSWORD, REMOTE_ADDR="203.0.113.8")["Location"] == "/"


def test_what_was_right_does_not_count_and_makes_nothing_forgotten(cast: Cast) -> None:
    for _ in range(4):
        sign_in()
    for _ in range(12):
        assert sign_in(PASSWORD)["Location"] == "/"
    assert "do not belong together" in sign_in().content.decode()
    assert "Too many wrong tries for this account, here or elsewhere." in sign_in().content.decode()


def test_wrong_passwords_inside_count_like_those_outside(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    new = {"password1": "a sentence that is new", "password2": "a sentence that is new"}
    for _ in range(3):
        client.post(reverse("account_change_password"), {"oldpassword": "wrong", **new})
    for _ in range(2):
        client.post(reverse("households:account-email"), {"email": "a@example.org", "password": "wrong"})
    assert (
        "Too many wrong tries for this account, here or elsewhere."
        in sign_in(PASSWORD, REMOTE_ADDR="203.0.113.8").content.decode()
    )


def test_five_links_for_a_new_password_and_no_sixth(cast: Cast, settings: LazySettings) -> None:
    settings.HAS_WINDOW = True
    for n in range(7):
        fields = {"email": "anna@example.org"}
        answer = Client(REMOTE_ADDR=f"203.0.113.{n}").post(
            reverse("account_reset_password"), fields, follow=True
        )
        assert "The link is made" in answer.content.decode()
    assert len(mail.outbox) == 5


def test_while_redis_is_away_nobody_signs_in_and_the_page_says_so(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def __getattr__(self, name: str) -> Any:
            raise Away("Redis is away")

    monkeypatch.setattr("common.limits.redis_get", Gone)
    for password in (PASSWORD, "wrong"):
        answer = sign_in(password)
        assert answer.status_code == 503
        assert "cannot count tries at the moment, so nobody can sign in" in answer.content.decode()


def test_of_many_wrong_tries_at_once_one_is_the_last() -> None:
    taken = [try_take("many", most=8, per_s=60, message="no") for _ in range(8)]
    with ThreadPoolExecutor(len(taken)) as pool:
        assert sorted(pool.map(Try.fail, taken)) == [False] * 7 + [True]


def test_a_right_try_that_is_being_made_makes_no_wrong_one_the_last() -> None:
    right, *wrong = [try_take("right", most=3, per_s=60, message="no") for _ in range(3)]
    assert [one.left for one in wrong] == [1, 0]
    assert not any(one.fail() for one in wrong)
    right.give_back()
    assert try_take("right", most=3, per_s=60, message="no").fail()
    with pytest.raises(TooMany):
        try_take("right", most=3, per_s=60, message="no")


def test_wrong_tries_that_were_too_long_ago_do_not_make_one_the_last() -> None:
    first, second = (try_take("old", most=2, per_s=60, message="no") for _ in range(2))
    assert not first.fail()
    redis_get().zincrby(first.key, -60_000, f"{first.id} wrong")
    third = try_take("old", most=2, per_s=60, message="no")
    assert not third.fail()
    assert second.fail()


def test_a_wrong_try_is_forgotten_in_time_too() -> None:
    only = try_take("time", most=2, per_s=60, message="no")
    only.fail()
    assert 0 < int(redis_get().pttl(only.key)) <= 60_000


def test_the_window_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    first = try_take("slide", most=2, per_s=60, message="no")
    try_take("slide", most=2, per_s=60, message="no")
    with pytest.raises(TooMany):
        try_take("slide", most=2, per_s=60, message="no")
    score = redis_get().zscore(first.key, first.id)
    assert isinstance(score, float)
    redis_get().zadd(first.key, {first.id: score - 60_000})
    try_take("slide", most=2, per_s=60, message="no")
    with pytest.raises(TooMany):
        try_take("slide", most=2, per_s=60, message="no")


def test_addresses_are_counted_as_one_home_each() -> None:
    assert address_group("203.0.113.7") == address_group("::ffff:203.0.113.7") == "203.0.113.7"
    assert address_group("2001:db8:1:2::5") == address_group("2001:db8:1:2:ffff::9") == "2001:db8:1:2::"
    assert address_group("2001:db8:1:3::5") != address_group("2001:db8:1:2::5")
    assert address_group("") == address_group("somewhere") == "unknown"
