"""S11: malformed SCTP, RTP, RTCP and STUN from a peer that is in a call with the worker.

The peer is a real one: what it sends is encrypted with the keys of its call (SRTP, DTLS), or signed with its ICE
password, or bare, and wrong inside. Another one is in the same call and hears what is passed on, so that direct routes
are attacked too. The worker lives in a process of its own and watches its event loop. Afterwards it must still be
there, the other one still connected, and a new call must come about.
"""

import asyncio
import json
import os
import random
import struct
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID, uuid4

from aiortc import RTCConfiguration, RTCSessionDescription
from pylibsrtp import Error as SrtpError

from benchmarks.figures import Figure, Options, figure
from protocol.worker import LegClose, LegOffer
from tests.fakes.connection import PeerConnection
from tests.fakes.peer import ToneTrack
from tests.network.calls import End, end_open
from tests.network.cores import core_watched, own_s
from turn import messages as stun
from turn.messages import Kind, Method, Name

FIGURES: Final = ("S11.exits", "S11.stall")
PACKETS: Final = 1_000_000
QUICK_PACKETS: Final = 20_000
BURST: Final = 100
_WORKER_CORE, _LOAD_CORE = 0, 1
PAUSE_S: Final = 0.01  # 10,000 packets a second at most: a flood would measure the kernel's queue


def measure(options: Options) -> list[Figure]:
    return asyncio.run(_run(QUICK_PACKETS if options.is_quick else PACKETS))


async def _run(count: int) -> list[Figure]:
    async with end_open("worker", []) as worker:
        os.sched_setaffinity(worker.process.pid, {_WORKER_CORE})
        os.sched_setaffinity(0, {_LOAD_CORE})
        with core_watched(_WORKER_CORE) as stolen:
            exits, said, told = await _calls(worker, count)
    stalls = [(begin_s, end_s) for begin_s, end_s in told.get("kept", [])]
    own_ms = max((1000 * own_s(stall, stolen) for stall in stalls), default=0.0) if told else None
    host_s = stolen[-1][1] - stolen[0][1]
    whole = f"with it {told.get('longest_ms', 0):.0f} ms; the host kept the core for {host_s:.1f} s in all"
    return [
        figure("S11.exits", "worker exits, or others lost", exits, "", bar="<= 0", reference=said),
        figure("S11.stall", "longest stall of the event loop, less what the host kept from its core", own_ms, "ms",
               bar="<= 100", reference=whole),
    ]  # fmt: skip


async def _calls(worker: End, count: int) -> tuple[int, str, dict[str, Any]]:
    """Exits and others lost, in words what there was, and how the loop stood meanwhile: nothing where it is unknown."""
    call_id, began_s = uuid4(), time.monotonic()
    listener, listener_id = await _connect(worker, call_id)
    await _attack(worker, call_id, count)
    took_s = time.monotonic() - began_s
    try:
        worker.say(json.dumps({"look": True}))
        told = await worker.hear("stall")
        connection, leg_id = await _connect(worker, uuid4())
        await _end(worker, connection, leg_id)
    except (RuntimeError, TimeoutError):
        return 1, "", {}
    is_lost = listener.connectionState != "connected"
    await _end(worker, listener, listener_id)
    said = f"{count} packets in {took_s:.0f} s; afterwards the other one was there, and a new call connected"
    return int(is_lost), "" if is_lost else said, told


async def _end(worker: End, connection: PeerConnection, leg_id: UUID) -> None:
    await connection.close()
    worker.say(LegClose(leg_id=leg_id).to_json())


async def _connect(worker: End, call_id: UUID) -> tuple[PeerConnection, UUID]:
    connection, leg_id = PeerConnection(RTCConfiguration(iceServers=[])), uuid4()
    connection.addTrack(ToneTrack(440.0))
    await connection.setLocalDescription(await connection.createOffer())
    sdp = connection.localDescription.sdp
    offer = LegOffer(
        leg_id=leg_id, call_id=call_id, participant_id=uuid4(), sdp=sdp, ice_servers=[], reply_channel="c",
        request_id=str(leg_id), recording_name=f"{leg_id}.opus",
    )  # fmt: skip
    worker.say(offer.to_json())
    while (told := await worker.hear("answer", "error"))["request_id"] != str(leg_id):
        continue
    await connection.setRemoteDescription(RTCSessionDescription(sdp=str(told["sdp"]), type="answer"))
    async with asyncio.timeout(20):
        while (told := await worker.hear("leg_state"))["leg_id"] != str(leg_id) or told[
            "state"
        ] != "connected":
            continue
    return connection, leg_id


async def _attack(worker: End, call_id: UUID, count: int) -> None:
    """With one connection after another, where the worker ends one."""
    chance, sent = random.Random(11), 0
    while sent < count:
        connection, leg_id = await _connect(worker, call_id)
        sends = _kinds(connection, chance)
        while sent < count and connection.connectionState == "connected":
            for _ in range(BURST):
                chance.choice(sends)()
            sent += BURST
            await asyncio.sleep(PAUSE_S)
        await _end(worker, connection, leg_id)


def _kinds(connection: PeerConnection, chance: random.Random) -> list[Callable[[], None]]:
    dtls: Any = connection.getTransceivers()[0].sender.transport
    ice = dtls.transport._connection
    pair = ice._nominated[1]

    def bare(data: bytes) -> None:
        pair.protocol.transport.sendto(data, pair.remote_addr)

    def encrypted(protect: Callable[[bytes], bytes], data: bytes) -> None:
        # What libsrtp itself refuses to encrypt goes out as it is.
        try:
            bare(protect(data))
        except SrtpError:
            bare(data)

    def rtp() -> None:
        first = chance.choice((0x80, 0x90, 0x9F, 0xBF, 0x8F, 0xA0))
        head = struct.pack("!BBHII", first, chance.choice((96, 111, 0, 127)), *_numbers(chance))
        encrypted(dtls._tx_srtp.protect, head + _noise(chance, 12, 60))

    def rtcp() -> None:
        head = struct.pack(
            "!BBHI", 0x80 | chance.randrange(32), chance.randrange(200, 208), chance.randrange(65536), 1
        )
        encrypted(dtls._tx_srtp.protect_rtcp, head + _noise(chance, 4, 80))

    def sctp() -> None:
        chunk = struct.pack("!BBH", chance.randrange(16), 0, chance.choice((0, 1, 3, 4, 20, 65535)))
        parameter = struct.pack("!HH", chance.randrange(65536), chance.choice((0, 1, 3, 4, 65535)))
        dtls._ssl.send(struct.pack("!HHII", 5000, 5000, 0, 0) + chunk + parameter + _noise(chance, 0, 40))
        bare(dtls._ssl.bio_read(1500))

    def signed_stun() -> None:
        name = chance.choice((0x0020, 0x0024, 0x8029, 0x802A, 0x0009, 0x0008, 0x8028, 0x7FFF))
        user = f"{ice.remote_username}:{ice.local_username}".encode()
        attributes = [(int(Name.USERNAME), user), (name, _noise(chance, 0, 24))]
        key = ice.remote_password.encode()
        kind = chance.choice((Kind.REQUEST, Kind.INDICATION, Kind.SUCCESS, Kind.ERROR))
        bare(stun.write(Method.BINDING, kind, stun.transaction_id_make(), attributes, key=key))

    return [rtp, rtcp, sctp, signed_stun, lambda: bare(_noise(chance, 1, 200))]


def _numbers(chance: random.Random) -> tuple[int, int, int]:
    return chance.randrange(65536), chance.randrange(2**32), chance.choice((1, 2, chance.randrange(2**32)))


def _noise(chance: random.Random, least: int, most: int) -> bytes:
    return os.urandom(chance.randint(least, most))
