"""API tokens: how a person makes one, who takes it back, and what a new password does to it."""

import re
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from common.errors import DomainError, NotAllowed, NotFound, NotSignedIn
from devices.foreign import device_token_open, device_token_renew, foreign_device_create
from households.access import token_open
from households.accounts.sign_in import password_link_path
from households.events import credential_ended
from households.models import ApiToken, Membership, User
from households.people.members import member_remove, role_change
from households.record.audit import audit_list, audit_sentence
from households.roles import Role
from households.services import api_token_create
from tests.households.waiting import before
from tests.plugin_cast import PASSWORD, Cast
from tests.sessions import sign_ins_grow_old

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

MAKE, SETTINGS = reverse("households:token-create"), reverse("households:settings")
NEW = "a sentence that is new"


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def anna(client: Client, cast: Cast) -> Client:
    return asked(client, cast.anna)


def asked(client: Client, member: Membership) -> Client:
    """Signed in, and asked for the password a moment ago."""
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    answer = client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": MAKE})
    assert answer["Location"] == MAKE
    return client


def make(client: Client, name: str = "Door script") -> str:
    """The token, as the page shows it."""
    found = re.search(
        r'id="new-token"[^>]*>(hl_[\w-]+)<', client.post(MAKE, {"name": name}, follow=True).content.decode()
    )
    assert found
    return found[1]


def revoke_url() -> str:
    return reverse("households:token-revoke", args=[ApiToken.objects.get().public_id])


def told(member: Membership) -> list[str]:
    """What the record says of it, newest first, without the sign-ins."""
    with scope(household=member.household):
        sentences = [audit_sentence(entry) for entry in audit_list(member.household)]
    return [one for one in sentences if "token" in one or "password" in one]


def is_good(token: str) -> bool:
    try:
        token_open(token)
    except NotSignedIn:
        return False
    return True


def test_one_is_made_by_whoever_was_asked_for_the_password_a_moment_ago(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    for answer in (client.get(MAKE), client.post(MAKE, {"name": "Door script"})):
        assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not ApiToken.objects.exists()
    asked(client, cast.anna)
    assert "until you revoke the token or change your password" in client.get(MAKE).content.decode()
    assert is_good(make(client))
    sign_ins_grow_old()
    assert client.post(MAKE, {"name": "Another"})["Location"].startswith(reverse("account_reauthenticate"))
    assert [row.name for row in ApiToken.objects.all()] == ["Door script"]


def test_it_is_shown_once_and_revoked_for_good(anna: Client) -> None:
    answer = anna.post(MAKE, {"name": "Door script"}, follow=True)
    assert "hl_" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    page = anna.get(SETTINGS).content.decode()
    assert "Door script" in page
    assert "hl_" not in page
    revoke = revoke_url()
    assert anna.get(revoke)["Location"] == SETTINGS
    assert "Door script" not in anna.post(revoke).content.decode()
    assert anna.post(revoke).status_code == 404


def test_without_a_name_there_is_none(anna: Client) -> None:
    assert anna.post(MAKE, {"name": " "}).status_code == 400
    assert not ApiToken.objects.exists()


def test_nobody_revokes_that_of_another(anna: Client, cast: Cast) -> None:
    make(anna)
    anna.force_login(cast.carla.user, "django.contrib.auth.backends.ModelBackend")
    assert anna.post(revoke_url()).status_code == 404
    assert ApiToken.objects.get().revoked_at is None


def test_it_is_in_the_record_of_the_home(anna: Client, cast: Cast) -> None:
    make(anna)
    anna.post(revoke_url())
    assert told(cast.anna) == [
        "Anna revoked the API token Door script.",
        "Anna made the API token Door script.",
    ]


def test_guests_are_offered_none_but_take_back_those_that_they_have(client: Client, cast: Cast) -> None:
    make(asked(client, cast.ben), "Old robot")
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
    assert client.post(MAKE, {"name": "Door script"}).status_code == 403
    page = client.get(SETTINGS).content.decode()
    assert "Make a token" not in page
    assert "Old robot" in page
    client.post(revoke_url())
    assert "API tokens" not in client.get(SETTINGS).content.decode()


# --- a new password ----------------------------------------------------------------------------


@pytest.fixture
def tokens(cast: Cast) -> list[str]:
    """Of Anna, who belongs to Carla's home, too: one here, two there."""
    member = Membership.objects.create(user=cast.anna.user, household=cast.carla.household, role=Role.ADULT)
    named = ((cast.anna, "Door script"), (member, "Robot"), (member, "Clock"))
    return [api_token_create(membership=of, name=name)[1] for of, name in named]


@pytest.mark.parametrize("way", ["page", "link", "command"])
def test_a_new_password_ends_all_of_the_person_and_none_of_others(
    client: Client, cast: Cast, tokens: list[str], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[User] = []

    def hear(user: User, sender: object, **_: object) -> None:
        if sender is ApiToken:
            heard.append(user)

    credential_ended.connect(hear, weak=False)
    _, others = api_token_create(membership=cast.carla, name="Mill")
    user, url = cast.anna.user, reverse("account_change_password")
    if way == "page":
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        client.post(url, {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    elif way == "link":
        page = client.get(password_link_path(user), follow=True)
        client.post(page.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    else:
        monkeypatch.setattr("getpass.getpass", lambda **_: NEW)
        call_command("changepassword", user.email, stdout=StringIO())
    credential_ended.disconnect(hear)
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert [is_good(token) for token in [*tokens, others]] == [False, False, False, True]
    assert "API tokens of Anna ended with the old password: Door script." in told(cast.anna)
    assert "API tokens of Anna ended with the old password: Clock, Robot." in told(cast.carla)
    assert heard == [user], "open sockets look again"


def test_a_sign_in_and_another_name_or_address_end_none(
    client: Client, cast: Cast, tokens: list[str]
) -> None:
    client.post(reverse("account_login"), {"login": "anna@example.org", "password": PASSWORD})
    client.post(reverse("households:account"), {"name": "Anna Lake"})
    fields = {"email": "anna@new.example.org", "password": PASSWORD}
    assert client.post(reverse("households:account-email"), fields).status_code == 302
    assert all(is_good(token) for token in tokens)


def test_a_device_of_another_maker_stays_though_its_owner_has_another_password(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device = foreign_device_create(membership=cast.anna, name="Door", room=None)
        _, token = device_token_renew(device=device, actor=cast.anna.user)
    cast.anna.user.set_password(NEW)
    cast.anna.user.save()
    assert device_token_open(token).device == device


def test_the_pages_of_a_new_password_say_so_to_whoever_has_one(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    change = reverse("account_change_password")
    words = "your API tokens stop working"

    def pages() -> list[bool]:
        link = Client().get(password_link_path(User.objects.get(pk=cast.anna.user.pk)), follow=True)
        assert "signed out everywhere" in link.content.decode()
        return [words in page.content.decode() for page in (client.get(change), link)]

    assert pages() == [False, False]
    api_token_create(membership=cast.anna, name="Door script")
    assert pages() == [True, True]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "Your password is changed."),
        (
            1,
            "Your password is changed. Your API token stopped working: the program that uses it needs a new one.",
        ),
        (
            2,
            "Your password is changed. "
            "Your 2 API tokens stopped working: the programs that use them need new ones.",
        ),
    ],
)
@pytest.mark.parametrize("way", ["page", "link"])
def test_whoever_has_a_new_password_is_told_what_ended_with_the_old_one(
    client: Client, cast: Cast, count: int, words: str, way: str
) -> None:
    for name in ("Door script", "Lamp script")[:count]:
        api_token_create(membership=cast.anna, name=name)
    api_token_create(membership=cast.carla, name="Not Anna's")
    if way == "page":
        client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
        fields = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
        done = client.post(reverse("account_change_password"), fields, follow=True)
    else:
        page = client.get(password_link_path(User.objects.get(pk=cast.anna.user.pk)), follow=True)
        form = page.redirect_chain[-1][0]
        done = client.post(form, {"password1": NEW, "password2": NEW}, follow=True)
    is_said_by_page = way == "link" and not count
    assert [str(message) for message in done.context["messages"]] == ([] if is_said_by_page else [words])
    assert is_said_by_page or words in " ".join(done.content.decode().replace("&#x27;", "'").split())


# --- while somebody is being removed -----------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deed", ["removed", "made a guest"])
def test_none_is_made_for_somebody_who_loses_the_right_at_this_moment(cast: Cast, deed: str) -> None:
    said: list[DomainError] = []
    open_page = Membership.objects.get(pk=cast.ben.pk)

    def make_one() -> None:
        try:
            api_token_create(membership=open_page, name="robot")
        except DomainError as error:
            said.append(error)

    with before(make_one):
        if deed == "removed":
            member_remove(member=cast.ben, by=cast.anna)
        else:
            role_change(member=cast.ben, role=Role.GUEST, by=cast.anna)
    assert [type(error) for error in said] == [NotFound if deed == "removed" else NotAllowed]
    with scopes_disabled():
        assert not ApiToken.objects.exists()
