"""Signing in with a second factor and with passkeys, in a browser that has a virtual one; and how the pages look."""

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import BrowserContext, Page, expect

from households.accounts.tries import ACCOUNT_PER_S, account_take
from households.record.audit import audit_list, audit_sentence
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import PASSWORD, Cast
from tests.sessions import sign_ins_grow_old

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def visitor(stranger: Page, cast: Cast) -> Page:
    """Anna at the sign-in page, who has no session."""
    FakeHub(stranger)
    stranger.goto(reverse("account_login"))
    return stranger


def passkeys_told(cast: Cast) -> list[bool]:
    """Of each time that Anna signed in, oldest first, whether the record says that it was by a passkey."""
    with scope(household=cast.anna.household):
        told = [audit_sentence(entry) for entry in audit_list(cast.anna.household).order_by("number")]
    return [line.endswith(", by a passkey.") for line in told if line.startswith("Anna signed in")]


def password_enter(page: Page) -> None:
    page.get_by_label("E-mail address").fill("anna@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def at_home(page: Page) -> None:
    expect(page).to_have_url(re.compile(r"://[^/]+/$"))


def still_me(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()


def passkey_device(page: Page) -> None:
    """The browser has a fingerprint reader that always agrees."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_is_added_and_signs_in_without_a_password(
    visitor: Page, context: BrowserContext, cast: Cast
) -> None:
    page = visitor
    passkey_device(page)
    assert look(page, "sign-in-passkey") == []
    password_enter(page)
    at_home(page)
    page.goto(reverse("households:account"))
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name of the passkey").fill("Kitchen tablet")
    assert look(page, "passkey-add") == []
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("Your passkey is added.")
    assert look(page, "recovery-codes") == []
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Kitchen tablet", exact=True)).to_be_visible()
    page.go_back()  # to allauth's own page, which shows them for a while
    expect(page.locator("#codes")).to_be_visible()
    page.reload()
    expect(page.locator("#codes")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Kitchen tablet", exact=True)).to_be_visible()
    assert look(page, "account-passkey") == []
    page.get_by_role("button", name="Sign out here").click()
    password_enter(page)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    assert look(page, "one-more-step-passkey") == []
    page.get_by_role("button", name="Use a passkey").click()
    at_home(page)
    page.goto(reverse("households:account"))
    page.get_by_role("button", name="Sign out here").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    at_home(page)
    page.goto(reverse("households:account"))
    sign_ins_grow_old()
    page.get_by_role("link", name="Remove Kitchen tablet").click()
    expect(page.get_by_role("heading", name="Is it still you?")).to_be_visible()
    assert look(page, "still-you") == []
    page.get_by_role("link", name="With a passkey").click()
    assert look(page, "still-you-passkey") == []
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("button", name="Remove")).to_be_visible()
    assert look(page, "passkey-remove") == []
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".toast")).to_contain_text("The passkey is removed.")
    assert passkeys_told(cast) == [False, True, True]
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    page.get_by_role("button", name="Sign out here").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("This passkey is not known here any more.")
    assert look(page, "sign-in-passkey-unknown") == []


def test_an_app_is_turned_on_and_asked_for(visitor: Page) -> None:
    page = visitor
    password_enter(page)
    at_home(page)
    page.goto(reverse("households:account"))
    assert look(page, "account") == []
    page.get_by_role("link", name="Authenticator app").click()
    secret = page.locator("#app-text").inner_text()
    assert look(page, "app") == []
    code = page.get_by_label("Code that the app shows")
    code.fill("000000")
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_text("This code is not right.")).to_be_visible()
    assert look(page, "app-wrong") == []
    step = int(time.time()) // 30
    code.fill(format_hotp_value(hotp_value(secret, step)))
    page.get_by_role("button", name="Turn it on").click()
    page.get_by_role("link", name="Done").click()
    page.get_by_role("button", name="Sign out here").click()
    password_enter(page)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    assert look(page, "one-more-step") == []
    page.get_by_label("Code of the app").fill(format_hotp_value(hotp_value(secret, step + 1)))
    page.get_by_role("button", name="Sign in", exact=True).click()
    at_home(page)
    sign_ins_grow_old()
    page.goto(reverse("mfa_deactivate_totp"))
    still_me(page)
    assert look(page, "app-off") == []


def test_the_wait_after_too_many_wrong_tries_is_counted_down_and_then_the_button_is_back(
    visitor: Page,
) -> None:
    def enter_after(wrong_before: int) -> None:
        for _ in range(wrong_before):
            account_take("anna@example.org")
        page.get_by_label("E-mail address").fill("anna@example.org")
        page.get_by_label("Password").fill("wrong")
        with page.expect_navigation():
            button.click()

    page, button = visitor, visitor.get_by_role("button", name="Sign in", exact=True)
    page.clock.install()
    page.reload()
    enter_after(2)
    expect(page.get_by_role("alert")).to_contain_text("You have 2 tries left.")
    enter_after(2)
    expect(page.get_by_role("alert")).to_contain_text(
        "Too many wrong tries for this account, here or elsewhere."
    )
    expect(page.get_by_text(re.compile(r"^Try again in [1-4]:\d\d$"))).to_be_visible()
    expect(button).to_be_disabled()
    assert look(page, "sign-in-waits") == []
    page.clock.fast_forward(ACCOUNT_PER_S * 1000)
    expect(page.get_by_text("You can try again now.").last).to_be_visible()
    expect(button).to_be_enabled()
    enter_after(0)
    expect(button).to_be_disabled()
    move = "const wait = document.querySelector('try-again'), at = wait.parentNode; wait.remove(); at.append(wait)"
    page.evaluate(move)
    page.clock.fast_forward(61_000)
    expect(page.get_by_text(re.compile(r"^Try again in [1-3]:\d\d$"))).to_be_visible()
    expect(button).to_be_disabled()
    page.get_by_label("E-mail address").fill("ben@example.org")  # has tries of his own
    expect(button).to_be_enabled()
    expect(page.locator("try-again")).to_be_empty()


def test_an_address_that_is_a_number_has_no_passkeys_and_says_so(visitor: Page, live_server: object) -> None:
    page = visitor
    page.goto(page.url.replace("localhost", "127.0.0.1"))
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    password_enter(page)
    at_home(page)
    page.goto(page.url.rstrip("/") + reverse("households:account"))
    expect(page.get_by_text("Passkeys need the hub's HTTPS address")).to_be_visible()
    expect(page.get_by_role("link", name="Add a passkey")).to_be_hidden()
