"""A device is lent by a link, its guest calls it, and the owner ends the loan in the middle: all parts are real."""

import io
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np
import psutil
import pytest
from playwright.sync_api import expect

from tests.e2e.far import LISTEN, LOUD, Talk
from tests.e2e.house import PASSWORD
from tests.e2e.near import COPIES_MISSING, NearHouse, near_house_open
from tests.fakes.peer import RATE, decoded, level_db

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

WITHIN_S = 2.0  # from the row of the loan to the last packet; `benchmarks.safety --only S4,S20` counts it in many calls
TALK_S = 4.0
CALLER_HZ, DEVICE_HZ = 700, 1000  # as near_house_open has them
# A page that was tampered with: it hangs up nothing, goes on sending, and notes when the last packet of sound came.
STUBBORN = """
  RTCPeerConnection.prototype.close = () => {};
  MediaStreamTrack.prototype.stop = () => {};
  let known = 0;
  window.cameAt = 0;
  setInterval(async () => {
    let packets = 0;
    for (const peer of window.peers)
      for (const report of (await peer.getStats()).values())
        if (report.type === "inbound-rtp") packets += report.packetsReceived;
    if (packets > known) window.cameAt = Date.now();
    known = Math.max(known, packets);
  }, 50);
"""
CALL = """
    select call.public_id, copy.duration_s, extract(epoch from call.ended_at - call.connected_at), call.reason
    from calls_call call join calls_listeningcopy copy on copy.call_id = call.id
"""


@pytest.fixture
def near(tmp_path: Path) -> Iterator[NearHouse]:
    with near_house_open(tmp_path, is_calling=False) as near:
        yield near


def lend(near: NearHouse) -> str:
    """For an hour, to talk and to listen; the link, as the owner sees it."""
    page = near.page
    page.goto(f"{near.device_path}lend/")
    page.get_by_label("Their name").fill("Olga")
    page.get_by_label(re.compile(r"^\s*Listen")).check()
    page.get_by_role("button", name="Lend it").click()
    return page.locator("#secret-link").inner_text()


def come(near: NearHouse, link: str) -> Talk:
    """Olga, with a browser of her own."""
    context = near.house.context()
    context.add_init_script(LISTEN)
    context.add_init_script(STUBBORN)
    page = context.new_page()
    page.goto(link[link.index("/join/") :])
    page.get_by_label("E-mail address").fill("olga@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("I agree that calls").check()
    page.get_by_role("button", name="Make an account and join").click()
    page.get_by_role("link", name=near.device.name, exact=True).wait_for()
    return Talk(page, near.device, near.device_path)


@contextmanager
def ports_watched(near: NearHouse) -> Iterator[list[float]]:
    """At its end: when the device, and when the media worker, last had a UDP port open. Without one nothing comes."""
    assert near.device.process is not None
    ends = (psutil.Process(near.device.process.pid), near.worker_with_call())
    over, found = Event(), list[float]()

    def watch() -> list[float]:
        open_s = [0.0 for _ in ends]
        while not over.wait(0.02):
            open_s = [
                time.time() if end.net_connections("udp") else last_s
                for end, last_s in zip(ends, open_s, strict=True)
            ]
        return open_s

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield found
        finally:
            over.set()
            found += watching.result()


def end_loan(near: NearHouse) -> float:
    """By the button of its owner. When the row said so, Unix time."""
    near.page.goto(near.device_path)
    lent = near.page.locator("#lent li", has_text="Olga")
    expect(lent).to_contain_text("Olga is in a call with it now. It ends as soon as you end this loan.")
    lent.get_by_role("button", name="End now").click()
    expect(lent).to_have_count(0)
    expect(near.page.get_by_text("The call was ended.")).to_be_visible()
    [(ended_s,)] = near.rows("select extract(epoch from ended_at) from devices_loan")
    return float(ended_s)


def test_a_loan_that_is_ended_in_a_call_ends_its_sound_and_keeps_what_was_said(near: NearHouse) -> None:
    guest = come(near, lend(near))
    guest.call()
    guest.page.wait_for_timeout(1000 * TALK_S)
    with ports_watched(near) as open_s:
        ended_s = end_loan(near)
        guest.page.wait_for_timeout(max(0.0, 1000 * (ended_s + WITHIN_S - time.time())))
        guest.listen_anew()
        guest.page.wait_for_timeout(2000)
    assert guest.page.evaluate("() => window.peers.at(-1).signalingState") == "stable", (
        "its page hung up by itself"
    )
    assert 0 < guest.page.evaluate("() => window.cameAt") / 1000 < ended_s + WITHIN_S
    assert 0 < max(open_s) < ended_s + WITHIN_S
    assert np.abs(guest.played()).max(initial=0.0) < LOUD

    expect(guest.page.get_by_role("heading")).to_have_text("Nothing is lent to you in Lake House any more.")
    expect(
        guest.page.get_by_text("Your call ended with it. Nothing is wrong with your phone.")
    ).to_be_visible()
    guest.page.get_by_role("link", name="Continue").click()
    expect(guest.page.get_by_text("Lake House ended it.")).to_be_visible()
    expect(guest.page.get_by_role("heading", name="Nothing is lent to you now")).to_be_visible()
    assert "Kitchen speaker is no longer lent to Olga." in near.agent_log()

    near.until_rows(COPIES_MISSING, [(0,)])
    [(call_id, copy_s, call_s, reason)] = near.rows(CALL)
    assert reason == "Kitchen speaker is no longer lent to Olga."
    assert float(copy_s) == pytest.approx(float(call_s), abs=0.01)
    kept = decoded(io.BytesIO(near.page.request.get(f"/calls/{call_id}/audio/").body()))
    assert TALK_S < kept.size / RATE < float(call_s) + 0.2
    last_second = kept[-round(1.5 * RATE) : -round(0.5 * RATE)]
    assert min(level_db(last_second, hz) for hz in (CALLER_HZ, DEVICE_HZ)) > -35
