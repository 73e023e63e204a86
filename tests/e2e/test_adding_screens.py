"""The ways to a device, in a real browser: by its link, its picture or its code; and one of another maker."""

from pathlib import Path
from uuid import UUID

import pytest
import segno
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Page, expect

from common.clock import now
from devices.models import DeviceAuthorization, DevicePresence
from households.models import Membership
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import PASSWORD, Cast, csr_make

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_a_claim_link_survives_signing_in(stranger: Page, cast: Cast) -> None:
    link = _claim_link()
    FakeHub(stranger)
    stranger.goto(link)
    expect(stranger.get_by_role("heading", name="Welcome home")).to_be_visible()
    assert look(stranger, "login") == []
    stranger.get_by_label("E-mail address").fill("anna@example.org")
    stranger.get_by_label("Password").fill(PASSWORD)
    stranger.get_by_role("button", name="Sign in", exact=True).click()
    expect(stranger.get_by_role("heading", name="Is this your device?")).to_be_visible()
    expect(stranger.get_by_text("SN attic")).to_be_visible()
    assert look(stranger, "confirm") == []
    stranger.get_by_label("Another room").check()
    stranger.get_by_label("Name of the room").fill("Attic")
    assert stranger.get_by_label("Name", exact=True).input_value() == "Attic speaker"
    stranger.get_by_role("button", name="Add to Lake House").click()
    expect(stranger.get_by_text("Waiting for the device it gets a certificate")).to_be_visible()
    assert look(stranger, "joining") == []


def test_a_known_device_with_a_new_key_is_let_go_and_added_again(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    mill = Membership.objects.create(user=cast.anna.user, household=cast.carla.household, role="adult")
    page.goto(_claim_link(cast.kitchen.model, cast.kitchen.serial))
    expect(page.get_by_text("This seems to be Kitchen speaker, with a new key.")).to_be_visible()
    assert look(page, "confirm-known") == []
    # Her other home does not know the device, so there it is another home's.
    page.locator("label.chip", has_text=mill.household.name).click()
    expect(page.get_by_text("This device belongs to another home.")).to_be_visible()
    assert look(page, "add-elsewhere") == []
    page.goto(_claim_link(cast.kitchen.model, cast.kitchen.serial))
    page.get_by_role("button", name="Let Kitchen speaker go and add it again").click()
    expect(page.get_by_role("heading", name="Kitchen speaker")).to_be_visible()


def test_a_code_that_is_good_no_more_says_so_while_the_page_is_open(page: Page, fake_hub: FakeHub) -> None:
    page.clock.install()
    page.goto(_claim_link())
    expect(page.get_by_role("heading", name="Is this your device?")).to_be_visible()
    page.clock.run_for(14 * 60_000)
    expect(page.get_by_role("heading", name="Is this your device?")).to_be_visible()
    DeviceAuthorization.objects.update(expires_at=now())
    page.clock.run_for(60_000)
    expect(page.get_by_text("This code has expired. Let the device show a new one.")).to_be_visible()
    assert look(page, "add-expired") == []


def test_an_image_of_the_code_is_read(page: Page, fake_hub: FakeHub, tmp_path: Path) -> None:
    """The decoder is WebAssembly: allowed on this page, and from this hub alone."""
    picture_of_code = tmp_path / "code.png"
    segno.make(f"http://hub.local{_claim_link()}").save(str(picture_of_code), scale=6)
    page.goto(reverse("devices:add"))
    page.get_by_label("Choose image").set_input_files(picture_of_code)
    expect(page.get_by_role("heading", name="Is this your device?")).to_be_visible()


def test_another_qr_code_is_not_taken(page: Page, fake_hub: FakeHub, tmp_path: Path) -> None:
    picture_of_code = tmp_path / "code.png"
    segno.make("https://example.org/claim#nothing").save(str(picture_of_code), scale=6)
    page.goto(reverse("devices:add"))
    page.get_by_label("Choose image").set_input_files(picture_of_code)
    expect(page.get_by_text("This is another QR code")).to_be_visible()


def test_a_wrong_code_is_refused_in_words(page: Page, fake_hub: FakeHub) -> None:
    page.goto(reverse("devices:add"))
    code = page.get_by_label("Code on the device")
    code.press_sequentially("bcd fg-hjklm")
    assert code.input_value() == "BCDFG-HJKLM"
    page.get_by_role("button", name="Find the device").click()
    expect(page.get_by_text("No device waits with this code.")).to_be_visible()
    assert page.get_by_label("Code on the device").input_value() == "BCDFG-HJKLM"


def _claim_link(model: str = "Test speaker", serial: str = "SN attic") -> str:
    from devices.claiming.authorization import authorization_start
    from protocol.enrollment import AuthorizationRequest

    request = AuthorizationRequest(csr_pem=csr_make(), model=model, serial=serial)
    return authorization_start(request=request, base_url="").verification_uri_complete


def test_a_device_of_another_maker_gets_an_address_and_a_token(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    page.goto(reverse("devices:add"))
    page.get_by_role("link", name="Add a device of another maker").click()
    assert look(page, "foreign-add") == []
    page.get_by_label("Name", exact=True).fill("Front door")
    page.locator("label.chip", has_text="Hall").click()
    page.get_by_role("button", name="Add to Lake House").click()
    expect(page.get_by_text("Waiting for the device to connect")).to_be_visible()
    page.get_by_role("button", name="Show its token").click()
    expect(page.locator("#device-token")).to_contain_text("hld_")
    expect(page.locator("#whip-url")).to_contain_text("/api/v1/whip")
    assert look(page, "foreign-joining") == []
    device_id = UUID(page.url.split("/")[-3])
    page.goto(reverse("devices:detail", args=[device_id]))
    expect(page.locator("#device-token")).to_have_count(0)  # it was shown once
    assert look(page, "foreign-device") == []
    page.get_by_role("button", name="Make a new token").click()
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#device-token")).to_contain_text("hld_")
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device__public_id=device_id).update(is_online=True, last_seen_at=now())
    page.goto(reverse("devices:joining", args=[device_id]))
    expect(page.get_by_role("link", name="Call it")).to_be_visible()
    assert look(page, "foreign-online") == []
    page.goto("/")
    card = page.locator(".device-card", has_text="Front door")
    expect(card.get_by_role("link", name="Call", exact=True)).to_be_visible()
    expect(card.get_by_role("link", name="Announce")).to_have_count(0)
