"""The step after the password: each person is asked for what they have, and reads what to do without it."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from households.accounts.forms import PASSKEY_UNKNOWN
from households.accounts.sign_in import password_link_path
from tests.households.passkeys import passkey_add, passkey_answer
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def sign_in(client: Client, password: str = PASSWORD, email: str = "anna@example.org") -> Any:
    return client.post(reverse("account_login"), {"login": email, "password": password})


def words_of(answer: Any) -> str:
    """What of the page is text."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


@pytest.mark.parametrize(
    ("has_app", "has_passkey", "words"),
    [
        (False, False, "Off: your password alone is enough"),
        (False, True, "Off: a passkey is asked after your password"),
        (True, False, "On: its code is asked after your password"),
        (True, True, "On: its code or a passkey is asked after your password"),
    ],
)
def test_the_account_says_what_is_asked_after_the_password(
    client: Client, cast: Cast, has_app: bool, has_passkey: bool, words: str
) -> None:
    client.force_login(cast.anna.user)
    if has_app:
        TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    if has_passkey:
        passkey_add(cast.anna.user)
    assert words in words_of(client.get(reverse("households:account")))


def test_who_has_passkeys_only_is_asked_for_one_of_those_and_for_no_code_of_an_app(
    client: Client, cast: Cast
) -> None:
    passkey_add(cast.anna.user)
    sign_in(client)
    words = words_of(client.get(reverse("mfa_authenticate")))
    assert "Use one of your passkeys." in words
    assert "code" not in words.lower().replace("recovery code", "")
    RecoveryCodes.activate(cast.anna.user)
    words = words_of(client.get(reverse("mfa_authenticate")))
    assert words.index("Use a passkey") < words.index("Enter a recovery code.")
    assert "the app" not in words
    TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    words = words_of(client.get(reverse("mfa_authenticate")))
    assert words.index("Use a passkey") < words.index(
        "Enter the code of your authenticator app, or a recovery"
    )


def test_who_has_an_app_only_reads_of_no_passkey(client: Client, cast: Cast) -> None:
    TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    sign_in(client)
    words = words_of(client.get(reverse("mfa_authenticate")))
    assert "Enter the code of your authenticator app. Code of the app Sign in" in words
    assert "passkey" not in words


def test_who_has_lost_all_of_it_reads_who_lets_them_in(client: Client, cast: Cast) -> None:
    TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    sign_in(client)
    words = words_of(client.get(reverse("mfa_authenticate")))
    assert "Tell whoever runs this hub. They let you in with manage.py second_factor_remove" in words


def test_a_passkey_that_was_removed_is_said_to_be_unknown_beside_the_form_and_what_to_do(
    client: Client, cast: Cast
) -> None:
    def answered() -> list[str]:
        client.get(reverse("mfa_login_webauthn"), headers={"Accept": "application/json"})
        credential = json.dumps(passkey_answer(cast.anna.user))
        done = client.post(reverse("mfa_login_webauthn"), {"credential": credential}, follow=True)
        assert done.redirect_chain == [(reverse("account_login"), 302)]
        form, toasts = unescape(done.content.decode()).split('class="toasts"')
        assert "passkey" not in toasts, "it would go away"
        return [str(message) for message in done.context["messages"] if str(message) in form]

    passkey = passkey_add(cast.anna.user)
    assert answered() == ["The passkey did not work this time. Try again."]
    passkey.delete()
    assert answered() == [PASSKEY_UNKNOWN]
    assert "Sign in with your password" in PASSKEY_UNKNOWN


def test_a_passkey_that_is_removed_at_the_second_step_is_said_to_be_unknown_there(
    client: Client, cast: Cast
) -> None:
    TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    passkey_add(cast.anna.user, "Tablet")
    sign_in(client)
    fields = {"credential": json.dumps(passkey_answer(cast.anna.user, "Phone"))}
    assert PASSKEY_UNKNOWN in words_of(client.post(reverse("mfa_authenticate"), fields))


def test_whose_second_factor_is_removed_is_let_in_at_once_and_nobody_else_is(cast: Cast) -> None:
    TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    for email in ("anna@example.org", "ben@example.org"):
        for n in range(5):
            sign_in(Client(REMOTE_ADDR=f"203.0.113.{n}"), "wrong", email)
        assert "Too many wrong tries" in words_of(sign_in(Client(), email=email))
    call_command("second_factor_remove", "anna@example.org")
    assert sign_in(Client())["Location"] == "/"
    assert "Too many wrong tries" in words_of(sign_in(Client(), email="ben@example.org"))


def test_the_password_of_now_is_no_new_one_and_the_others_guess_is_not_answered(
    client: Client, cast: Cast
) -> None:
    client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    url, same = reverse("account_change_password"), "This is your password now. Choose another one."
    fields = {"oldpassword": PASSWORD, "password1": PASSWORD, "password2": PASSWORD}
    assert same in words_of(client.post(url, fields))
    assert same not in words_of(client.post(url, fields | {"oldpassword": "a guess"}))


def test_the_page_for_a_new_password_has_its_hint_once(client: Client, cast: Cast) -> None:
    page = client.get(password_link_path(cast.anna.user), follow=True)
    assert words_of(page).count("At least ten characters.") == 1


def test_forms_say_in_plain_words_what_is_missing_and_what_is_too_long(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    url = reverse("households:account")
    assert "Please fill this in." in words_of(client.post(url, {"name": ""}))
    assert "At most 80 characters, please." in words_of(client.post(url, {"name": "a" * 1000}))
