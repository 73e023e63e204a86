"""Times are those of the home, wherever they are read; whoever reads elsewhere is told so."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from common.clock import now
from common.templatetags.ui import moment, since
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SHOW = """async ([script, html]) => {
  document.querySelector("main").innerHTML = html;
  (await import(script)).showTimes();
  return [...document.querySelectorAll("time")].map((time) => time.textContent);
}"""


def page_in(chromium: Browser, live_server: LiveServer, zone: str) -> Page:
    context = chromium.new_context(base_url=live_server.url, timezone_id=zone, bypass_csp=True)
    page = context.new_page()
    page.goto(reverse("account_login"))
    return page


@pytest.mark.parametrize(
    ("reader_zone", "told"),
    [("Europe/Berlin", ""), ("Europe/Paris", ""), ("America/Los_Angeles", "Times are those of Lake House")],
)
def test_times_are_those_of_the_home_and_a_reader_elsewhere_is_told_so(
    chromium: Browser, live_server: LiveServer, cast: Cast, reader_zone: str, told: str
) -> None:
    at = now() + timedelta(days=40)
    with timezone.override(ZoneInfo("Europe/Berlin")):
        there = timezone.localtime()
        said = moment(at)
    note = '<p data-zone="Europe/Berlin" hidden>Times are those of Lake House: <span></span></p>'
    page = page_in(chromium, live_server, reader_zone)
    [shown] = page.evaluate(SHOW, [static("js/lib/time.js"), said + note])
    assert f">{shown}</time>" in said
    words = page.locator("main").inner_text()
    assert (told in words) if told else ("Times are" not in words)
    if told:
        minutes = [f"{there + timedelta(minutes=late):%H:%M}" for late in (0, 1)]
        assert any(minute in words for minute in minutes)
    page.context.close()


def test_a_clock_that_shows_the_same_a_day_later_is_another_one(
    chromium: Browser, live_server: LiveServer, cast: Cast
) -> None:
    page = page_in(chromium, live_server, "Pacific/Honolulu")
    note = '<p data-zone="Pacific/Kiritimati" hidden>Times are those of Lake House: <span></span></p>'
    with timezone.override(ZoneInfo("Pacific/Kiritimati")):
        before = timezone.localtime()
        page.evaluate(SHOW, [static("js/lib/time.js"), note])
        after = timezone.localtime()
    words = page.locator("main").inner_text()
    assert words in {f"Times are those of Lake House: {there:%H:%M on %A}" for there in (before, after)}
    page.context.close()


def test_what_was_a_while_ago_moves_on_while_the_page_is_open(
    chromium: Browser, live_server: LiveServer, cast: Cast
) -> None:
    page = page_in(chromium, live_server, "Europe/Berlin")
    html = "".join(since(now() - timedelta(minutes=minutes)) for minutes in (0, 5, 150))
    html = html.replace("5\xa0minutes ago", "as it was")
    assert page.evaluate(SHOW, [static("js/lib/time.js"), html]) == [
        "just now",
        "5 minutes ago",
        "3 hours ago",
    ]
    page.context.close()


@pytest.mark.parametrize("zone", ["Mars/Base", ""])
def test_a_browser_that_does_not_know_the_zone_of_the_home_goes_on_and_says_nothing(
    chromium: Browser, live_server: LiveServer, cast: Cast, zone: str
) -> None:
    """An older one does not know "Europe/Kyiv" yet; what app.js does after its times would be missing."""
    page = page_in(chromium, live_server, "Europe/Berlin")
    note = f'<p data-zone="{zone}" hidden>Times are those of Lake House: <span></span></p>'
    assert page.evaluate(SHOW, [static("js/lib/time.js"), moment(now()) + note])
    assert "Times are" not in page.locator("main").inner_text()
    page.context.close()
