"""Every page in a real browser: pictures for people to look at, WCAG 2.2 AA, nothing that sticks out."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from announcements.models import Announcement
from calls.models import Call
from calls.workers.placement import Worker
from common.clock import now
from common.failures import MEDIA_WORKER, failure_note
from common.redis import redis_get
from devices.models import Device, Room
from households.models import Household, Membership
from tests.e2e.filled import announcement_fill, call_fill
from tests.e2e.screens import NARROWEST_PX, look, overflow, picture, pushed_off
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmütze"

PAGES = {
    "home": "devices:home",
    "device": "devices:detail",
    "add": "devices:add",
    "call-before": "devices:call",
    "calls": "calls:list",
    "announce": "announcements:compose",
    "announcement": "announcements:detail",
    "people": "people:list",
    "settings": "households:settings",
    "status": "status",
    "account": "households:account",
    "email": "households:account-email",
    "password": "account_change_password",
    "sign-out": "account_logout",
    "error": "calls:detail",
}


@pytest.fixture
def call(cast: Cast) -> Call:
    return call_fill(cast)


@pytest.fixture
def announcement(cast: Cast) -> Announcement:
    return announcement_fill(cast)


@pytest.fixture
def two_hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For the status page: media workers on two computers, and what failed earlier."""
    workers = [
        Worker(worker_id="1", host="kitchen-pi", leg_count=2, call_ids=("a",)),
        Worker(worker_id="2", host="kitchen-pi"),
        Worker(worker_id="3", host="attic-with-a-long-name.example.net", is_draining=True),
    ]
    monkeypatch.setattr("config.status.worker_list", lambda: workers)
    for hours in (2, 5):
        failure_note(part=MEDIA_WORKER, host="kitchen-pi", at=now() - timedelta(hours=hours))
    failure_note(part=MEDIA_WORKER, host=workers[-1].host, at=now() - timedelta(hours=1), is_lost=True)
    yield
    redis_get().delete("failures")


@pytest.mark.usefixtures("two_hosts")
@pytest.mark.parametrize("name", PAGES)
def test_each_page_of_a_home_looks_right(
    page: Page, fake_hub: FakeHub, call: Call, announcement: Announcement, name: str
) -> None:
    ids = {
        "device": call.device.public_id,
        "call-before": call.device.public_id,
        "announcement": announcement.public_id,
        "error": UUID("00000000-0000-4000-8000-000000000000"),
    }
    page.goto(reverse(PAGES[name], args=[ids[name]] if name in ids else []))
    page.wait_for_function("() => document.fonts.status === 'loaded'")
    fake_hub.wait_for("hello")
    assert look(page, name) == []


def test_a_long_announcement_is_text_and_no_headline(
    page: Page, fake_hub: FakeHub, announcement: Announcement
) -> None:
    text = "Dinner is ready, and the soup is hot. " * 13
    with scopes_disabled():
        Announcement.objects.update(text=text)
    page.goto(reverse("announcements:detail", args=[announcement.public_id]))
    expect(page.get_by_role("heading", level=1)).to_have_text("Announcement")
    expect(page.get_by_role("paragraph").filter(has_text=text.strip())).to_be_visible()
    expect(page.get_by_text("On the device", exact=True)).to_be_visible()
    assert look(page, "announcement-long") == []
    page.set_viewport_size({"width": 390, "height": 844})
    top = page.locator("#deliveries").bounding_box()
    assert top
    assert top["y"] < 844, "what became of it begins on the first screen of a phone"


def test_one_long_word_as_a_name_pushes_nothing_off_the_screen(
    page: Page, fake_hub: FakeHub, call: Call, announcement: Announcement, cast: Cast
) -> None:
    """Not on the narrowest one, either."""
    ids = {"device": call.device.public_id, "announcement": announcement.public_id}
    ids["call-before"] = ids["device"]
    with scopes_disabled():
        other = Household.objects.create(name=LONG[:40])
        Membership.objects.create(user=cast.anna.user, household=other, consented_at=now())
        cast.ben.user.__class__.objects.update(name=LONG)
        for rows in (Household.objects, Device.objects, Room.objects.filter(name="Kitchen")):
            rows.update(name=LONG)
        Authenticator.objects.create(user=cast.anna.user, type="webauthn", data={"name": LONG})
    page.set_viewport_size({"width": NARROWEST_PX, "height": 700})
    found = []
    for name, route in PAGES.items():
        if name != "error":
            page.goto(reverse(route, args=[ids[name]] if name in ids else []))
            picture(page, f"long-word-{name}")
            found += [f"{name}: {problem}" for problem in overflow(page, NARROWEST_PX) + pushed_off(page)]
    page.goto("/")
    page.locator('[data-opens="homes-dialog"]').first.click()
    picture(page, "long-word-homes")
    assert found + pushed_off(page) == []
