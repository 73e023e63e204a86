"""`python -m benchmarks.media.hostile COUNT`: a worker alone in a network namespace gets hostile session descriptions.

Prints one line of JSON: how many offers were answered, the most candidates that a connection kept, and the longest
time for which one message held the event loop.
"""

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from aioice import Connection
from aiortc import rtcicetransport

from media.connection.candidates import AddressRules, networks_read
from media.door import LegState
from media.worker import MediaWorker
from protocol.worker import LegCandidate, LegClose, LegOffer
from tests.fakes.door import FakeDoor, Told
from tests.network.stalls import Stalls

BATCH: Final = 20
CHECKS_S: Final = 0.8  # one turn of 32 candidates takes 0.64 s
# Where no packet may go; the counters of strangers.py watch these networks.
TARGETS: Final = (
    "127.0.0.1",
    "127.3.2.1",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.1.1",
    "224.0.0.251",
    "239.255.255.250",
    "240.1.1.1",
    "255.255.255.255",
    "192.0.0.192",
    "192.88.99.1",
    "100.100.100.200",
    "172.31.240.2",
    "172.31.240.3",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "fe80::1",
    "fe80::1%sink",
    "ff02::fb",
    "fd00:ec2::254",
    "2002:7f00:1::1",
    "::7f00:1",
    "localhost",
    "router.local",
    "a1b2.local",
    "2130706433",
    "0x7f000001",
    "127.1",
)
ALLOWED: Final = tuple(f"20.9.9.{n}" for n in range(10, 110))  # so that the cap on candidates has work
TRIES: Final = 5  # of which the best counts: this process may have to wait for the processor
KINDS: Final = ("host", "srflx", "relay", "prflx")
_HEAD: Final = """v=0
o=- 1 2 IN IP4 169.254.169.254
s=-
c=IN IP4 169.254.169.254
t=0 0
a=group:BUNDLE 0
m=audio 53 UDP/TLS/RTP/SAVPF 111
c=IN IP4 127.0.0.1
a=rtcp:53 IN IP4 127.0.0.1
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
""".format(fingerprint=":".join(["AB"] * 32))


def candidate(address: str, chance: random.Random) -> str:
    kind, port = chance.choice(KINDS), chance.choice((53, 123, 3478, 5353, 6379, 40_000))
    related = f" raddr {chance.choice(TARGETS)} rport {port}" if kind != "host" else ""
    return f"candidate:{chance.randrange(9)} 1 udp {chance.randrange(2**31)} {address} {port} typ {kind}{related}"


def offer(chance: random.Random) -> str:
    lines = [f"a={candidate(address, chance)}" for address in chance.sample(TARGETS, len(TARGETS))]
    return _HEAD.replace("\n", "\r\n") + "".join(f"{line}\r\n" for line in lines[: chance.randrange(33)])


def worst_offers() -> list[str]:
    """Full size, in the forms that cost a parser most."""
    fillers = (
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 a=1;b=2;c=3",
        "a=" + "x" * 900,
        "a=rtcp-fb:111 nack",
        "a=ssrc-group:FID 1 2 3 4 5 6 7 8",
        "a=group:BUNDLE 0",
        "a=fmtp:111 " + "a=1;" * 220,
        "a=candidate:1 1 udp 1 198.51.100.1 9 typ host",
        "a=mid:0",
        "a=" + ":" * 900,
    )
    found = []
    for filler in fillers:
        room = (16_384 - len(_HEAD) - 40) // (len(filler) + 2)
        found.append(_HEAD.replace("\n", "\r\n") + f"{filler}\r\n" * min(room, 380))
    return found


KNOWN: list[Connection] = []


class KnownConnection(Connection):
    """aioice's, and it can be asked afterwards what it knows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        KNOWN.append(self)


async def run(count: int) -> dict[str, float]:
    chance, door = random.Random(13), FakeDoor()
    kept, longest = 0, Stalls()
    with tempfile.TemporaryDirectory() as folder:
        rules = AddressRules(service_networks=networks_read(["172.31.240.0/24"]))
        worker = MediaWorker(door, recordings_root=Path(folder), captures_root=Path(folder), addresses=rules)
        await _batch(
            worker, door, [offer(chance)], chance
        )  # what the first connection makes once is no stall
        for sdp in worst_offers():
            stall = min([await _alone(worker, door, sdp, chance) for _ in range(TRIES)], key=_length)
            longest = max(longest, stall, key=_length)
        for first in range(0, count, BATCH):
            sdps = [offer(chance) for _ in range(min(BATCH, count - first))]
            kept = max(kept, await _batch(worker, door, sdps, chance))
        await worker.aclose()
    return {
        "answered": len(door.all("answer")),
        "refused": len(door.all("error")),
        "candidates_kept": kept,
        "stall_ms": 1000 * longest.longest_s,
        "stall_cpu_ms": 1000 * longest.longest_cpu_s,
    }


def _length(stall: Stalls) -> float:
    return stall.longest_s


async def _alone(worker: MediaWorker, door: FakeDoor, sdp: str, chance: random.Random) -> Stalls:
    """One offer and its candidates, message by message."""
    async with Stalls() as stalls:
        await _batch(worker, door, [sdp], chance)
    return stalls


async def _batch(worker: MediaWorker, door: FakeDoor, sdps: list[str], chance: random.Random) -> int:
    """Offers, then sixty trickled candidates each; the most candidates that any connection knew."""
    legs = {uuid4(): sdp for sdp in sdps}
    for leg_id, sdp in legs.items():
        command = LegOffer(leg_id=leg_id, sdp=sdp, ice_servers=[], reply_channel="c", request_id=str(leg_id))
        await worker.handle(command)
        for address in chance.choices([*TARGETS, *ALLOWED], k=60):
            await worker.handle(
                LegCandidate(leg_id=leg_id, candidate=candidate(address, chance), sdp_mid="0")
            )
    for leg_id in legs:
        await _told(door, str(leg_id))
    await asyncio.sleep(CHECKS_S)
    kept = max(len(connection.remote_candidates) for connection in KNOWN)
    KNOWN.clear()
    for leg_id in legs:
        await worker.handle(LegClose(leg_id=leg_id))
        if any(told.request_id == str(leg_id) for told in door.all("answer")):
            await door.wait_for("leg_state", _is_closed(leg_id), timeout_s=60)
    return kept


def _is_closed(leg_id: UUID) -> Callable[[Told], bool]:
    return lambda told: told.leg_id == leg_id and told.state is LegState.CLOSED


async def _told(door: FakeDoor, request_id: str) -> None:
    """Until the offer was answered or refused."""
    waits = [
        asyncio.create_task(door.wait_for(name, lambda told: told.request_id == request_id, timeout_s=60))
        for name in ("answer", "error")
    ]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


if __name__ == "__main__":
    setattr(rtcicetransport, "Connection", KnownConnection)  # noqa: B010
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    print(json.dumps(asyncio.run(run(int(sys.argv[1])))), flush=True)
