"""A time is said the same by the server and, to a reader in the same zone, by the browser."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from common.clock import now
from common.templatetags.ui import day, daytime, moment, since
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SHOW = """async ([script, html]) => {
  document.body.innerHTML = html;
  const said = () => [...document.querySelectorAll("time")].map((time) => time.textContent);
  const before = said();
  (await import(script)).showTimes();
  return [before, said()];
}"""


@pytest.mark.parametrize(
    ("reader_zone", "is_same"), [("Europe/Berlin", True), ("America/Los_Angeles", False)]
)
def test_a_page_says_its_times_as_the_server_does_and_in_the_zone_of_its_reader(
    chromium: Browser, live_server: LiveServer, cast: Cast, reader_zone: str, is_same: bool
) -> None:
    moments = [
        now() + timedelta(days=days, hours=hours) for days in (-400, -40, -1, 0, 1) for hours in (0, 7)
    ]
    with timezone.override(ZoneInfo("Europe/Berlin")):
        html = "".join(tag(at) for at in moments for tag in (moment, day, daytime))
    context = chromium.new_context(
        base_url=live_server.url, locale="en-GB", timezone_id=reader_zone, bypass_csp=True
    )
    page = context.new_page()
    page.goto(reverse("account_login"))
    of_server, of_browser = page.evaluate(SHOW, [static("js/lib/time.js"), html])
    ago = [since(now() - timedelta(minutes=minutes)).replace("\xa0", " ") for minutes in (0, 5, 150)]
    assert len(set(page.evaluate(SHOW, [static("js/lib/time.js"), "".join(ago)])[1])) == 3
    context.close()
    assert len(of_server) == 30
    assert (of_server == of_browser) is is_same
