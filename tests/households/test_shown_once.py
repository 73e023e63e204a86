"""Links and tokens that are shown once: each has a page of its own, to which whoever made it is led."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from common.clock import now
from common.models import BaseModel
from devices.foreign import foreign_device_create
from devices.models import Loan, Transfer
from households.accounts.sessions import SessionStore
from households.accounts.shown_once import secret_keep, secret_take
from households.models import ApiToken, Invitation, Membership
from households.people.invitations import invitation_create
from households.roles import Role
from tests.households.waiting import before
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

BACKEND = "django.contrib.auth.backends.ModelBackend"
PART = {"HX-Request": "true"}


@dataclass(frozen=True)
class Kind:
    """One way to a secret. `quiet`: what its page says at any look but the first."""

    make: Callable[[Client, Cast], Any]
    secret: str
    quiet: str
    headers: dict[str, str]


def _invite(client: Client, cast: Cast) -> Any:
    return client.post(reverse("people:invite"), {"role": "child", "name": "Dora"})


def _lend(client: Client, cast: Cast) -> Any:
    sent = {"to": "new", "name": "Gil", "talk": "on", "until": "hour"}
    return client.post(reverse("devices:lend", args=[cast.kitchen.public_id]), sent)


def _give(client: Client, cast: Cast) -> Any:
    return client.post(reverse("devices:give", args=[cast.kitchen.public_id]))


def _token(client: Client, cast: Cast) -> Any:
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": "/"})
    return client.post(reverse("households:token-create"), {"name": "Door script"})


def _device_token(client: Client, cast: Cast) -> Any:
    with scope(household=cast.anna.household):
        device = foreign_device_create(membership=cast.anna, name="Front door", room=None)
    return client.post(reverse("devices:token", args=[device.public_id]), headers=PART)


LINK = r"#t=([\w-]{22})<"
KINDS = {
    "invitation": Kind(_invite, LINK, "This one still works, until", {}),
    "loan": Kind(_lend, LINK, "This one still works, until", {}),
    "gift": Kind(_give, LINK, "This one still works, until", {}),
    "token": Kind(_token, r">(hl_[\w-]+)<", "This one works until you revoke it", {}),
    "device token": Kind(_device_token, r">(hld_[\w-]+)<", "not used yet", PART),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """What other tests tried counts no more."""
    cache.clear()


@pytest.fixture
def anna(cast: Cast) -> Client:
    return browser_of(cast.anna)


def browser_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user, BACKEND)
    return client


def looked(client: Client, kind: Kind, path: str) -> tuple[list[str], str]:
    """The secrets that the page shows, and its words."""
    answer = client.get(path, headers=kind.headers)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    page = answer.content.decode()
    return re.findall(kind.secret, page), " ".join(page.split())


@every_kind
def test_its_page_shows_it_at_the_first_look_and_says_later_what_is_still_true(
    anna: Client, cast: Cast, kind: Kind
) -> None:
    made = kind.make(anna, cast)
    assert made.status_code == 302
    assert made.content == b""
    (secret,), page = looked(anna, kind, made["Location"])
    assert secret not in made["Location"]
    assert "data-shown-once" in page
    assert kind.quiet not in page
    for _ in range(2):
        shown, page = looked(anna, kind, made["Location"])
        assert shown == []
        assert secret not in page
        assert kind.quiet in page
        assert "data-shown-once" not in page


@every_kind
def test_what_looks_ahead_does_not_use_it_up(anna: Client, cast: Cast, kind: Kind) -> None:
    path = kind.make(anna, cast)["Location"]
    assert anna.head(path, headers=kind.headers).content == b""
    for ahead in ({"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}):
        answer = anna.get(path, headers=kind.headers | ahead)
        assert (answer.status_code, answer.content) == (425, b"")
        assert answer["Cache-Control"] == "no-store"
    assert len(looked(anna, kind, path)[0]) == 1


@every_kind
def test_nobody_else_is_shown_it_nor_uses_it_up(anna: Client, cast: Cast, kind: Kind) -> None:
    path = kind.make(anna, cast)["Location"]
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.OWNER)
    for other in (browser_of(cast.ben), browser_of(cast.carla), browser_of(cast.anna), Client()):
        assert re.findall(kind.secret, other.get(path, headers=kind.headers).content.decode()) == []
    assert len(looked(anna, kind, path)[0]) == 1


@every_kind
@pytest.mark.parametrize(("waited_s", "count"), [(590, 1), (600, 0)])
def test_it_waits_for_ten_minutes_and_not_longer(
    anna: Client, cast: Cast, kind: Kind, monkeypatch: pytest.MonkeyPatch, waited_s: int, count: int
) -> None:
    path = kind.make(anna, cast)["Location"]
    later = now() + timedelta(seconds=waited_s)
    monkeypatch.setattr("households.accounts.shown_once.now", lambda: later)
    shown, page = looked(anna, kind, path)
    assert len(shown) == count
    assert (kind.quiet in page) is not bool(count)


@every_kind
def test_it_ends_with_the_sign_in(anna: Client, cast: Cast, kind: Kind) -> None:
    path = kind.make(anna, cast)["Location"]
    anna.post(reverse("account_logout"))
    anna.force_login(cast.anna.user, BACKEND)
    shown, page = looked(anna, kind, path)
    assert shown == []
    assert kind.quiet in page


@every_kind
def test_in_another_home_of_the_person_it_is_absent(anna: Client, cast: Cast, kind: Kind) -> None:
    path = kind.make(anna, cast)["Location"]
    Membership.objects.create(user=cast.anna.user, household=cast.carla.household, role=Role.OWNER)
    for home, status, count in ((cast.carla.household, 404, 0), (cast.anna.household, 200, 1)):
        anna.post(reverse("households:home-switch"), {"household": home.public_id})
        answer = anna.get(path, headers=kind.headers)
        assert answer.status_code == status
        assert len(re.findall(kind.secret, answer.content.decode())) == count


@every_kind
def test_who_may_not_any_more_is_refused_as_anywhere(anna: Client, cast: Cast, kind: Kind) -> None:
    path = kind.make(anna, cast)["Location"]
    Membership.objects.filter(pk=cast.anna.pk).update(role=Role.GUEST)
    answer = anna.get(path, headers=kind.headers)
    assert answer.status_code == 403
    assert re.findall(kind.secret, answer.content.decode()) == []


@pytest.mark.parametrize("kind", [KINDS["invitation"], KINDS["loan"], KINDS["token"]])
def test_each_of_two_tabs_shows_its_own(anna: Client, cast: Cast, kind: Kind) -> None:
    paths = [kind.make(anna, cast)["Location"] for _ in range(2)]
    shown = [looked(anna, kind, path)[0] for path in paths]
    assert [len(one) for one in shown] == [1, 1]
    assert shown[0] != shown[1]


def test_where_another_link_replaced_it_only_the_other_one_is_shown(anna: Client, cast: Cast) -> None:
    kind = KINDS["gift"]
    first, second = (kind.make(anna, cast)["Location"] for _ in range(2))
    shown, page = looked(anna, kind, first)
    assert shown == []
    assert "This link opens nothing any more" in page
    assert "It was taken back, or another one was made after it." in page
    assert "Make another" not in page  # or the one that is out would end by that
    assert len(looked(anna, kind, second)[0]) == 1


def test_where_another_token_replaced_it_only_the_other_one_is_shown(anna: Client, cast: Cast) -> None:
    kind = KINDS["device token"]
    first = kind.make(anna, cast)["Location"]
    again = re.sub(r"[^/]+/$", "", first)
    second = anna.post(again, headers=PART)["Location"]
    assert looked(anna, kind, first)[0] == []
    assert len(looked(anna, kind, second)[0]) == 1


def test_the_page_of_a_device_says_when_its_token_was_made(anna: Client, cast: Cast) -> None:
    path = KINDS["device token"].make(anna, cast)["Location"]
    plain = anna.get(path)  # as no page of ours asks
    assert plain.status_code == 302
    assert "A token is shown once, right after it is made." in anna.get(plain["Location"]).content.decode()
    assert len(looked(anna, KINDS["device token"], path)[0]) == 1


# --- what became of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"used_at": now}, "Ben joined by it <time"),
        ({"revoked_at": now}, "It was taken back <time"),
        ({"expires_at": now}, "It worked until"),
    ],
)
@pytest.mark.parametrize("is_first_look", [True, False])
def test_an_invitation_that_lets_nobody_in_any_more_says_why(
    anna: Client, cast: Cast, fields: dict[str, Callable[[], object]], words: str, is_first_look: bool
) -> None:
    kind = KINDS["invitation"]
    path = kind.make(anna, cast)["Location"]
    if not is_first_look:
        looked(anna, kind, path)
    Invitation.objects.update(used_by=cast.ben.user, **{name: when() for name, when in fields.items()})
    shown, page = looked(anna, kind, path)
    assert shown == []
    assert words in page
    assert "Take it back" not in page


def test_from_its_page_an_invitation_is_taken_back(anna: Client, cast: Cast) -> None:
    kind = KINDS["invitation"]
    path = kind.make(anna, cast)["Location"]
    looked(anna, kind, path)
    take_back = reverse("people:invitation-revoke", args=[Invitation.objects.get().public_id])
    assert f'action="{take_back}"' in looked(anna, kind, path)[1]
    anna.post(take_back)
    assert "It was taken back <time" in looked(anna, kind, path)[1]


def test_a_loan_says_who_came_by_its_link_and_when_it_is_over(anna: Client, cast: Cast) -> None:
    kind = KINDS["loan"]
    path = kind.make(anna, cast)["Location"]
    with scope(household=cast.anna.household):
        Loan.objects.update(member=cast.ben)
    shown, page = looked(anna, kind, path)
    assert shown == []
    assert "Ben may use Kitchen speaker until" in page
    assert "The link opens nothing any more." in page
    with scope(household=cast.anna.household):
        Loan.objects.update(ended_at=now())
    page = looked(anna, kind, path)[1]
    assert "It was ended, or its time is over. The link opens nothing any more." in page
    assert "End now" not in page


def test_a_link_of_a_gift_whose_maker_may_not_give_it_any_more_says_that_it_opens_nothing(
    anna: Client, cast: Cast
) -> None:
    kind = KINDS["gift"]
    path = kind.make(anna, cast)["Location"]
    Transfer.objects.update(made_by=cast.carla.user)
    shown, page = looked(anna, kind, path)
    assert shown == []
    assert "This link opens nothing any more" in page
    assert "while whoever made it could give the device away" in page


def test_a_token_that_was_revoked_says_so(anna: Client, cast: Cast) -> None:
    kind = KINDS["token"]
    path = kind.make(anna, cast)["Location"]
    anna.post(reverse("households:token-revoke", args=[ApiToken.objects.get().public_id]))
    shown, page = looked(anna, kind, path)
    assert shown == []
    assert "It was revoked <time" in page


# --- in the session ------------------------------------------------------------------------------


def request_of(session_key: str | None) -> HttpRequest:
    """One that has read its session."""
    request = HttpRequest()
    request.session = SessionStore(session_key)
    request.session.load()
    return request


def two_links(cast: Cast) -> list[tuple[BaseModel, str]]:
    return [invitation_create(membership=cast.anna, role=Role.CHILD) for _ in range(2)]


def test_requests_that_began_at_once_keep_each_its_own(anna: Client, cast: Cast) -> None:
    key = anna.session.session_key
    requests, links = [request_of(key) for _ in range(2)], two_links(cast)
    for request, (row, secret) in zip(requests, links, strict=True):
        secret_keep(request, of=row, secret=secret)
        assert not request.session.modified  # or its end would write what the other one wrote over
    for row, secret in links:
        assert [secret_take(request_of(key), of=row) for _ in range(2)] == [secret, ""]


def test_of_two_looks_at_once_one_is_the_first(anna: Client, cast: Cast) -> None:
    key, (row, secret) = anna.session.session_key, two_links(cast)[0]
    secret_keep(request_of(key), of=row, secret=secret)
    looks = [request_of(key) for _ in range(2)]
    assert [secret_take(request, of=row) for request in looks] == [secret, ""]


@pytest.mark.django_db(transaction=True)
def test_a_request_waits_for_another_one_that_keeps_something(anna: Client, cast: Cast) -> None:
    key, ((first, one), (second, other)) = anna.session.session_key, two_links(cast)
    with before(lambda: secret_keep(request_of(key), of=second, secret=other)):
        secret_keep(request_of(key), of=first, secret=one)
    assert [secret_take(request_of(key), of=row) for row in (first, second)] == [one, other]


def test_a_session_that_ended_meanwhile_keeps_nothing_and_does_not_come_back(
    anna: Client, cast: Cast
) -> None:
    request, (row, secret) = request_of(anna.session.session_key), two_links(cast)[0]
    anna.logout()
    secret_keep(request, of=row, secret=secret)
    assert secret_take(request, of=row) == ""
    assert not Session.objects.exists()
