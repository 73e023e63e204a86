"""A link that comes into a tab which stands at its page already: nothing but the fragment changes."""

import pytest
from django.urls import reverse
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from devices.life.transfers import transfer_create
from households.people.invitations import invitation_create
from households.roles import Role
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

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
        assert stranger.evaluate("sessionStorage.getItem('hearthline.join')") is None


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
