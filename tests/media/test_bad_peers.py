"""While two talk, others offer what cannot be used: each is told so, and the two hear nothing of it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from media.door import LegState
from media.worker import MediaWorker
from protocol.errors import ErrorCode
from protocol.messages.connection import IceServer
from protocol.worker import LegCandidate, LegOffer
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, loudest_hz
from tests.media.test_sdp import AUDIO, DATA, SESSION, VIDEO, text

pytestmark = pytest.mark.integration

CANDIDATE = "a=candidate:1 1 udp 1 198.51.100.1 9 typ host"


@pytest_asyncio.fixture
async def listener(worker: MediaWorker, door: FakeDoor) -> AsyncIterator[RealPeer]:
    """One of two who talk; the other's tone is of 440 Hz."""
    call_id = uuid4()
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=900) as ben,
    ):
        await anna.connect(call_id=call_id)
        await ben.connect(call_id=call_id)
        await ben.listen(0.3)
        yield ben


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        (text(SESSION, VIDEO), "offers no audio"),
        (text(SESSION, DATA), "offers no audio"),
        (text(SESSION, *[VIDEO] * 25, *[AUDIO] * 25), "lines"),
        (text(SESSION, *[["m=audio 9 UDP/TLS/RTP/SAVPF 111"]] * 50), "media sections"),
        (text(SESSION, AUDIO, [CANDIDATE] * 300), "network addresses"),
        (text(SESSION, AUDIO, [CANDIDATE] * 1000), "characters"),
        (text(SESSION, AUDIO) + "a=x\r\n" * 200_000, "characters"),
        ("", "not a session description"),
    ],
    ids=[
        "video",
        "data",
        "50 tracks",
        "50 empty tracks",
        "300 candidates",
        "1,000 candidates",
        "1 MB",
        "nothing",
    ],
)
async def test_an_offer_that_cannot_be_used_gets_words(
    worker: MediaWorker, door: FakeDoor, listener: RealPeer, sdp: str, words: str
) -> None:
    leg_count = worker.exchange.leg_count
    await worker.handle(
        LegOffer(
            leg_id=uuid4(), call_id=uuid4(), sdp=sdp, ice_servers=[], reply_channel="c", request_id="bad"
        )
    )
    refusal = await door.wait_for("error", lambda told: told.request_id == "bad")
    assert refusal.code is ErrorCode.BAD_SDP
    assert words in refusal.message
    assert worker.exchange.leg_count == leg_count
    assert loudest_hz(await listener.listen(0.4)) == pytest.approx(440, abs=5)


async def test_a_thousand_trickled_candidates_and_a_peer_that_says_nothing_disturb_nobody(
    worker: MediaWorker, door: FakeDoor, listener: RealPeer
) -> None:
    leg_id = uuid4()
    await worker.handle(
        LegOffer(leg_id=leg_id, call_id=uuid4(), sdp=text(SESSION, AUDIO), ice_servers=[], reply_channel="c")
    )
    for n in range(1000):
        candidate = f"candidate:{n} 1 udp 1 198.51.100.{n % 250} {n + 1} typ host"
        await worker.handle(LegCandidate(leg_id=leg_id, candidate=candidate, sdp_mid="0"))
        await asyncio.sleep(0)
    assert loudest_hz(await listener.listen(0.4)) == pytest.approx(440, abs=5)
    closed = await door.wait_for(
        "leg_state", lambda told: told.leg_id == leg_id and told.state is LegState.CLOSED
    )
    assert closed.reason


async def test_a_relay_that_does_not_answer_holds_a_call_up_for_a_moment_only(
    worker: MediaWorker, door: FakeDoor
) -> None:
    """Bound, so that it is no closed port: every question is heard and none answered."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server(("127.0.0.1", 0)) as tcp,
    ):
        udp.bind(("127.0.0.1", 0))
        urls = [
            f"turn:127.0.0.1:{udp.getsockname()[1]}?transport=udp",
            f"turn:127.0.0.1:{tcp.getsockname()[1]}?transport=tcp",
            f"turns:127.0.0.1:{tcp.getsockname()[1]}",
        ]
        servers = [IceServer(urls=urls, username="u", credential="c")]
        async with RealPeer(worker, door) as anna:
            began_s = time.monotonic()
            sdp = await anna.offer()
            await worker.handle(
                LegOffer(
                    leg_id=anna.leg_id, sdp=sdp, ice_servers=servers, reply_channel="c", request_id="slow"
                )
            )
            await door.wait_for("answer", lambda told: told.request_id == "slow")
            assert time.monotonic() - began_s < 6
