"""What signing in and its means leave in the record, beside the plain password."""

import re
from io import StringIO
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import LazySettings
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from common.address import address_note
from households.accounts.sign_in import PASSKEY, factor_added, factor_removed, signed_in
from households.record.activity import Group, group_of
from households.record.audit import audit_list, audit_sentence
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

NEW = "a sentence that is new"
RESET = "A new password for Anna was chosen, with a link that whoever runs the hub had."
ASKED = "Somebody asked for a new password for Anna. The link for it was shown to whoever runs the hub."


@pytest.fixture(autouse=True)
def nothing_was_tried_yet() -> None:
    """What other tests tried counts no more."""
    cache.clear()


def record(cast: Cast) -> list[str]:
    """What stands among the sign-ins, oldest first."""
    with scope(household=cast.anna.household):
        rows = audit_list(cast.anna.household).order_by("number")
        return [audit_sentence(row) for row in rows if group_of(row.kind) == Group.SIGN_INS]


def sign_in(client: Client) -> None:
    client.post(reverse("account_login"), {"login": "anna@example.org", "password": PASSWORD})


def passkey_make(cast: Cast, name: str) -> Authenticator:
    data = {"name": name, "credential": {}}
    return Authenticator.objects.create(user=cast.anna.user, type=PASSKEY, data=data)


def test_a_link_of_whoever_runs_the_hub_has_a_line_and_so_has_its_use(
    cast: Cast, client: Client, settings: LazySettings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    address_note("http://localhost:8123", "http://192.168.1.10:8123")
    out = StringIO()
    call_command("password_link", "anna@example.org", stdout=out)
    assert record(cast) == ["Whoever runs the hub made a link with which Anna can choose a new password."]
    page = client.get(out.getvalue().split()[0].removeprefix("http://localhost:8123"), follow=True)
    client.post(page.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    assert record(cast)[1:] == [RESET]


@pytest.mark.parametrize("has_window", [True, False])
def test_a_forgotten_password_has_a_line_where_the_hub_shows_a_link(
    cast: Cast, client: Client, settings: LazySettings, has_window: bool
) -> None:
    settings.HAS_WINDOW = has_window
    for _ in range(3):  # a stranger who goes on does not fill the record
        client.post(reverse("account_reset_password"), {"email": "anna@example.org"})
    assert record(cast) == ([ASKED] if has_window else [])


@pytest.mark.django_db(transaction=True)
def test_a_recovery_code_leaves_its_trace(cast: Cast, client: Client) -> None:
    TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(cast.anna.user).get_unused_codes()
    sign_in(client)
    client.post(reverse("mfa_authenticate"), {"code": codes[0]})
    assert record(cast) == ["Anna signed in, by a recovery code."]
    client.post(reverse("mfa_reauthenticate"), {"code": codes[1]})
    assert record(cast)[1:] == ["Anna used a recovery code to show that it is them."]


def test_a_passkey_is_named(cast: Cast, client: Client) -> None:
    passkey = passkey_make(cast, "Kitchen tablet")
    signed_in(cast.anna.user, "Firefox/140.0", PASSKEY)
    factor_added(cast.anna.user, passkey)
    factor_removed(cast.anna.user, passkey)
    assert record(cast) == [
        "Anna signed in with Firefox, by a passkey.",
        "Anna changed how they sign in: the passkey Kitchen tablet added.",
        "Anna changed how they sign in: the passkey Kitchen tablet removed.",
    ]


def test_a_passkey_that_gets_another_name_has_a_line(cast: Cast, client: Client) -> None:
    sign_in(client)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    passkey = passkey_make(cast, "My passkey")
    here = reverse("mfa_edit_webauthn", args=[passkey.pk])
    for name in ("My passkey", "Kitchen tablet", "\u202etelbat"):
        client.post(here, {"name": name})
    passkey.refresh_from_db()
    assert passkey.wrap().name == "Kitchen tablet"
    told = [line for line in record(cast) if not re.match("Anna signed in", line)]
    assert told == ["Anna changed the name of their passkey My passkey to Kitchen tablet."]
