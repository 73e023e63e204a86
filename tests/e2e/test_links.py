"""The network of a page is cut in the middle of a call, and comes back. Nobody touches anything."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.far import far_house_open

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(300)
def test_a_call_goes_on_after_the_page_s_network_was_gone_and_after_another_router(tmp_path: Path) -> None:
    with far_house_open(tmp_path) as far:
        far.call()
        page = far.page
        far.page_home.cut()
        expect(page.locator('[data-part="status"]')).to_have_text("Reconnecting…", timeout=10_000)
        expect(page.locator('[data-part="recording"]')).to_be_visible()
        far.page_home.heal()
        far.heard_again(since_s=time.time(), within_s=20)
        far.device_home.rebind()
        far.heard_again(since_s=time.time() + 1, within_s=25)
        expect(page.locator("call-view")).to_have_attribute("data-state", "connected", timeout=10_000)
        far.hang_up()
        page.goto("/calls/")
        expect(page.get_by_role("link", name="Kitchen speaker")).to_have_count(1)
