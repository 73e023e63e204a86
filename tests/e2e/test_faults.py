"""One call, with the real page, agent and hub, while parts of the hub fail. benchmarks.media measures it (R1, R5)."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.near import COPIES_MISSING, NearHouse, near_house_open

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PARTS = """
    select count(*), count(*) filter (where state = 'finished' and duration_s > 0.5) from calls_recording
    where call_id = (select min(id) from calls_call)
"""
COPY = """
    select copy.duration_s, extract(epoch from call.ended_at - call.connected_at) from calls_listeningcopy copy
    join calls_call call on call.id = copy.call_id where call.id = (select min(id) from calls_call)
"""


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NearHouse]:
    with near_house_open(Path(tmp_path_factory.mktemp("near"))) as near:
        yield near


def test_a_killed_worker_costs_no_call_and_the_recording_has_both_parts(near: NearHouse) -> None:
    near.page.wait_for_timeout(2000)
    near.worker_with_call().send_signal(signal.SIGKILL)
    expect(near.page.locator('[data-part="explanation"]')).to_contain_text("A part of the hub failed")
    near.page.wait_for_timeout(500)
    near.heard_again(since_s=time.time(), within_s=8)
    near.page.wait_for_timeout(4000)  # fewer than five good seconds are not judged
    assert near.rows("select state, count(*) from calls_call group by 1") == [("connected", 1)]
    near.hang_up()
    near.until_rows("select count(*) from calls_call where state <> 'ended'", [(0,)])
    near.until_rows(COPIES_MISSING, [(0,)])
    assert near.rows(PARTS) == [(4, 4)]
    [(copy_s, call_s)] = near.rows(COPY)
    assert float(copy_s) == pytest.approx(float(call_s), abs=0.01)
    [length] = re.findall(r"Call ended \((.*)\)", near.page.locator('[data-part="status"]').inner_text())
    near.page.get_by_role("link", name="Recording and transcript").click()
    expect(near.page.locator(".badge", has_text=re.compile(rf"^\s*{length}\s*$"))).to_be_visible()
    expect(near.page.locator(".place")).to_contain_text(f"/ {length}")
    words = r"^Good for .*\. A part of the hub failed around 0:\d\d: nobody was heard for [\d.]+ s"
    expect(near.page.locator(".connection .sub").first).to_have_text(re.compile(words))
    near.call()


@pytest.mark.parametrize("is_killed", [False, True], ids=["hangs", "is killed and comes back empty"])
def test_redis_that_is_away_is_not_heard_in_a_call(near: NearHouse, is_killed: bool) -> None:
    away = near.redis_away(seconds=6, is_killed=is_killed)
    assert (away.sockets_dropped, away.wrong_health) == (0, 0)
    assert away.gap_s < 0.5
    assert away.call_s < 20  # the bar is 10 s, on a machine that does nothing else


def test_a_hang_up_while_the_pages_are_away_ends_the_call_at_once_and_the_history_knows_whose_it_was(
    near: NearHouse,
) -> None:
    near.web().kill()
    expect(near.page.locator('[data-part="explanation"]')).not_to_be_empty()
    near.page.locator("[data-act=end]").click()
    near.until_rows("select count(*) from calls_call where state <> 'ended'", [(0,)], within_s=5)
    link = near.page.get_by_role("link", name="Recording and transcript")
    expect(link).to_have_attribute("aria-disabled", "false", timeout=60_000)
    link.click()
    expect(near.page.get_by_text("You hung up")).to_be_visible()
    assert "The call is over." in near.agent_log(), "the device did not wait for the pages"
    near.call()


def test_ctrl_c_ends_the_call_and_says_so_at_both_ends(near: NearHouse) -> None:
    """The last test here: nothing of the hub is left."""
    words = "The hub was stopped or restarted"
    took_s = near.house.hub.end(signal.SIGINT, within_s=10)
    print(f"Ctrl-C in a call took {took_s:.1f} s")
    expect(near.page.locator('[data-part="status"]')).to_contain_text("Call ended")
    expect(near.page.locator('[data-part="explanation"]')).to_contain_text(words)
    assert words in near.agent_log()
