"""Set-up and settings."""

import re

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from households.models import Membership
from households.record.audit import audit_list, audit_sentence
from households.services import setup_token_make
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def _fields(token: str) -> dict[str, str]:
    return {
        "token": token,
        "name": "Anna",
        "email": "Anna@Example.org",
        "password": PASSWORD,
        "household_name": "Lake House",
        "time_zone": "Europe/Berlin",
        "language": "de",
        "consent": "on",
    }


@pytest.fixture
def token(no_owner_yet: None) -> str:
    made = setup_token_make()
    assert made
    return made


def test_every_page_leads_to_the_set_up_while_there_is_no_owner(client: Client, token: str) -> None:
    for url in ("/", "/calls/", "/accounts/login/", "/status/", "/claim/"):
        assert client.get(url)["Location"] == reverse("households:setup")


def test_the_owner_is_made_and_signed_in(client: Client, token: str) -> None:
    assert token in client.get(reverse("households:setup"), {"token": token}).content.decode()
    response = client.post(reverse("households:setup"), _fields(token))
    assert response["Location"] == "/"
    member = Membership.objects.select_related("user", "household").get()
    assert (member.user.email, member.household.name, member.role) == (
        "anna@example.org",
        "Lake House",
        "owner",
    )
    assert member.consented_at is not None
    assert client.get("/").status_code == 200
    assert client.get(reverse("households:setup"))["Location"] == "/"
    # They chose their password a moment ago.
    assert client.get(reverse("mfa_activate_totp")).status_code == 200


def test_better_speech_comes_only_to_whoever_asks_for_it_and_knows_its_size(
    client: Client, token: str, settings: LazySettings
) -> None:
    settings.SPEECH_MODELS_CHOICE = "best"
    switch = re.compile(r'<input type="checkbox" role="switch" name="wants_models"([^>]*)>')

    def is_on(page: str) -> bool:
        found = switch.search(page)
        assert found
        return "checked" in found[1]

    page = client.get(reverse("households:setup")).content.decode()
    assert not is_on(page)
    assert "Download better speech now (211.2\xa0MB)" in page
    wrong = _fields(token) | {"password": "short", "wants_models": "on"}
    assert is_on(client.post(reverse("households:setup"), wrong).content.decode())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "guessed"}, "The set-up token is not right."),
        ({"password": "short"}, "too short"),
        ({"email": "nobody"}, "Enter a valid email address."),
        ({"time_zone": "Moon/Crater"}, "Select a valid choice."),
        ({"household_name": ""}, "Please fill this in."),
        ({"consent": ""}, "Without this you cannot go on"),
    ],
)
def test_bad_fields_are_said_and_make_nothing(
    client: Client, token: str, change: dict[str, str], words: str
) -> None:
    response = client.post(reverse("households:setup"), _fields(token) | change)
    assert response.status_code == 400
    assert words in response.content.decode()
    assert not Membership.objects.exists()
    assert PASSWORD not in response.content.decode()


def test_everything_that_is_wrong_is_said_at_once(client: Client, token: str) -> None:
    wrong = {"token": "guessed", "password": "short", "household_name": ""}
    page = client.post(reverse("households:setup"), _fields(token) | wrong).content.decode()
    for words in ("The set-up token is not right.", "too short", "Please fill this in."):
        assert words in page
    assert page.count('aria-invalid="true"') == 3


def test_the_household_gets_another_name_from_its_owner_only(client: Client, cast: Cast) -> None:
    url, fields = (
        reverse("households:settings"),
        {"household_name": "Hill House", "time_zone": "UTC", "language": "nl"},
    )
    client.force_login(cast.ben.user)
    assert client.post(url, fields).status_code == 403
    client.force_login(cast.anna.user)
    assert client.post(url, fields).status_code == 302
    cast.anna.household.refresh_from_db()
    assert cast.anna.household.name == "Hill House"


def test_addresses_are_hidden_by_the_owner_where_the_hub_has_a_relay(
    client: Client, cast: Cast, settings: LazySettings
) -> None:
    url = reverse("households:settings")
    fields = {"household_name": "Lake House", "time_zone": "UTC", "language": "en", "hides_addresses": "on"}
    client.force_login(cast.anna.user)
    settings.TURN_URLS = []
    refusal = client.post(url, fields)
    assert refusal.status_code == 400
    assert "This was not saved: the hub has no relay yet" in refusal.content.decode()
    settings.TURN_URLS = ["turn:turn.example.org"]
    assert client.post(url, fields).status_code == 302
    cast.anna.household.refresh_from_db()
    assert cast.anna.household.hides_addresses
    assert 'name="hides_addresses" role="switch"' in client.get(url).content.decode()


def test_signing_in_and_out(client: Client, cast: Cast) -> None:
    fields = {"login": "anna@example.org", "password": "wrong password"}
    assert "do not belong together" in client.post(reverse("account_login"), fields).content.decode()
    response = client.post(reverse("account_login"), fields | {"password": PASSWORD})
    assert response["Location"] == "/"
    assert client.get("/").status_code == 200
    client.post(reverse("account_logout"))
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("name", ["account_login", "account_reset_password"])
def test_the_pages_of_the_account_have_our_look(client: Client, cast: Cast, name: str) -> None:
    page = client.get(reverse(name)).content.decode()
    assert "css/tokens.css" in page
    assert 'class="entrance"' in page


def test_another_name_is_in_the_record_of_the_home(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    fields = {"household_name": "Hill House", "time_zone": "UTC", "language": "nl"}
    client.post(reverse("households:settings"), fields)
    with scope(household=cast.anna.household):
        newest = audit_sentence(audit_list(cast.anna.household)[0])
    assert newest == (
        "Anna changed the settings of the home: the name is now Hill House (before: Lake House), "
        "the language is now Nederlands (before: English)."
    )
