"""What a link or a code opened: again in the same tab, and after Back and reload, without a question."""

import pytest
from django.urls import reverse
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from devices.claiming.authorization import authorization_start
from devices.life.transfers import transfer_create
from households.people.invitations import invitation_create
from households.roles import Role
from protocol.enrollment import AuthorizationRequest
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import PASSWORD, Cast, csr_make

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

NOT_WHOLE = "The link is not whole."


def test_an_invitation_opens_after_one_that_was_not_whole_and_after_another(
    stranger: Page, cast: Cast
) -> None:
    FakeHub(stranger)
    here, elsewhere = (
        invitation_create(membership=member, role=Role.ADULT)[1] for member in (cast.anna, cast.carla)
    )
    stranger.goto(reverse("households:join"))
    expect(stranger.get_by_text(NOT_WHOLE)).to_be_visible()
    for token, home in ((here, cast.anna.household), (elsewhere, cast.carla.household)):
        stranger.goto(f"{reverse('households:join')}#t={token}")
        expect(stranger.get_by_role("heading", name=f"Join {home}")).to_be_visible()
        assert token not in stranger.url


def test_reload_and_back_come_to_an_invitation_again_without_a_question(stranger: Page, cast: Cast) -> None:
    FakeHub(stranger)
    _, token = invitation_create(membership=cast.anna, role=Role.ADULT)
    stranger.goto(f"{reverse('households:join')}#t={token}")
    heading = stranger.get_by_role("heading", name="Join Lake House")
    expect(heading).to_be_visible()
    stranger.reload()
    expect(heading).to_be_visible()
    stranger.goto(reverse("account_login"))
    stranger.go_back()
    expect(heading).to_be_visible()
    stranger.get_by_label("Your name").fill("Dora")
    stranger.get_by_label("E-mail address").fill("dora@example.org")
    stranger.get_by_label("Password").fill(PASSWORD)
    stranger.get_by_label("I agree that calls").check()
    stranger.get_by_role("button", name="Make an account and join").click()
    expect(stranger.get_by_text("Welcome to Lake House.")).to_be_visible()
    stranger.go_back()
    expect(stranger.get_by_text("was used already")).to_be_visible()
    assert token not in stranger.url


def test_reload_and_back_come_to_a_device_that_was_found_again_until_it_is_answered(
    page: Page, fake_hub: FakeHub
) -> None:
    request = AuthorizationRequest(csr_pem=csr_make(), model="Attic box", serial="SN-9")
    codes = authorization_start(request=request, base_url="https://hub")
    page.goto(reverse("devices:add"))
    code = page.get_by_label("Code on the device")
    code.fill("BCDFG-HJKLM")
    page.get_by_role("button", name="Find the device").click()
    expect(page.get_by_role("alert")).to_be_visible()
    code.fill(codes.user_code)
    page.get_by_role("button", name="Find the device").click()
    question = page.get_by_role("heading", name="Is this your device?")
    expect(question).to_be_visible()
    page.reload()
    expect(question).to_be_visible()
    assert codes.user_code not in page.url
    assert look(page, "is-this-your-device-again") == []
    page.goto(reverse("devices:home"))
    page.go_back()
    expect(question).to_be_visible()
    page.go_back()
    expect(code).to_be_visible()
    expect(question).to_be_hidden()
    page.go_forward()
    page.get_by_role("button", name="Add to Lake House").click()
    expect(page.get_by_role("heading", name="Attic box")).to_be_visible()
    page.go_back()
    expect(code).to_be_visible()
    expect(question).to_be_hidden()


def test_the_link_of_a_device_opens_after_one_that_was_not_whole(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    with scopes_disabled():
        _, token = transfer_create(membership=cast.carla, device=cast.cellar)
    page.goto(reverse("devices:take"))
    expect(page.get_by_text(NOT_WHOLE)).to_be_visible()
    page.goto(f"{reverse('devices:take')}#t={token}")
    expect(page.get_by_role("heading", name="Take over Cellar speaker")).to_be_visible()
    assert token not in page.url
    page.reload()
    expect(page.get_by_role("heading", name="Take over Cellar speaker")).to_be_visible()
