"""A hub without mail: the link for a new password appears in the window, for those who have an account."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.conf import LazySettings
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse
from structlog.testing import capture_logs

from common.address import addresses
from households.accounts.sign_in import email_change, password_link_path
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def window(settings: LazySettings) -> None:
    settings.HAS_WINDOW = True


def ask(client: Client, address: str) -> None:
    answer = client.post(reverse("account_reset_password"), {"email": address}, follow=True)
    assert "The link is made" in answer.content.decode()


def test_the_window_shows_the_link_and_no_header_of_a_mail(
    cast: Cast, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    with override_settings(EMAIL_BACKEND="config.mail.WindowBackend"):
        ask(client, cast.anna.user.email)
    said = capsys.readouterr().out
    assert "Subject" not in said
    assert cast.anna.user.email in said
    (link,) = re.findall(r">>>  (\S+)", said)
    assert "Save the password" in client.get(link, follow=True).content.decode()


def test_where_nobody_sits_before_the_hub_no_link_goes_into_its_log(
    cast: Cast, client: Client, settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.HAS_WINDOW = False
    assert "whoever runs it" in client.get(reverse("account_reset_password")).content.decode()
    with override_settings(EMAIL_BACKEND="config.mail.WindowBackend"), capture_logs() as logs:
        answer = client.post(reverse("account_reset_password"), {"email": cast.anna.user.email}, follow=True)
    assert "Tell whoever runs this hub." in answer.content.decode()
    assert [(line["event"], line["email"], line["command"]) for line in logs if "command" in line] == [
        ("Somebody asked for a new password.", cast.anna.user.email, "manage.py password_link")
    ]
    assert "/reset/key/" not in capsys.readouterr().out + str(logs)


def test_an_address_without_an_account_gets_the_same_page_and_no_link(cast: Cast, client: Client) -> None:
    ask(client, "nobody@example.org")
    assert mail.outbox == []


def test_the_link_works_once(cast: Cast, client: Client) -> None:
    ask(client, cast.anna.user.email)
    (link,) = re.findall(r"https?://\S+", str(mail.outbox[0].body))
    page = client.get(link, follow=True)
    new = {"password1": "a sentence that is new", "password2": "a sentence that is new"}
    saved = client.post(page.request["PATH_INFO"], new, follow=True)
    assert "Password saved" in saved.content.decode()
    assert list(saved.context["messages"]) == []
    assert "no longer works" in Client().get(link, follow=True).content.decode()


def test_the_link_is_of_this_hub_whatever_name_it_was_asked_under(cast: Cast, client: Client) -> None:
    with override_settings(ALLOWED_HOSTS=["*"]):
        client.post(
            reverse("account_reset_password"),
            {"email": cast.anna.user.email},
            headers={"Host": "example.net"},
        )
    body = str(mail.outbox[0].body)
    assert "example.net" not in body
    assert body.count(f"{addresses()[-1]}/accounts/password/reset/key/") == 1


def test_an_address_that_was_given_up_signs_nobody_in_also_after_a_link_was_made(
    cast: Cast, client: Client
) -> None:
    anna = cast.anna.user
    ask(client, anna.email)
    link = password_link_path(anna)
    assert not EmailAddress.objects.exists()
    EmailAddress.objects.create(user=anna, email="anna@example.org")  # as earlier versions wrote it
    email_change(user=anna, email="anna@new.example.org")
    for email, is_in in (("anna@example.org", False), ("anna@new.example.org", True)):
        answer = Client().post(reverse("account_login"), {"login": email, "password": PASSWORD})
        assert (answer.status_code == 302) is is_in
    assert "no longer works" in client.get(link, follow=True).content.decode()
