"""S10: datagrams of somebody who is in no call, before and during a call, to the worker and to the device.

The device is the agent's own peer in a process of its own, the worker the real one in another. A stranger sends each
payload to every address that the victim offered; a call counts as lost when its sound does not come (again).
"""

import asyncio
import json
import secrets
import socket
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from benchmarks.figures import Figure, Options, figure
from protocol.messages.connection import IceTransportPolicy
from protocol.worker import LegClose, LegOffer, ToneStart
from tests.network.calls import End, end_open
from turn import messages as stun
from turn.messages import Kind, Method, Name

FIGURES: Final = ("S10",)
TIMES: Final = 20  # that each payload is sent


def payloads() -> dict[str, bytes]:
    """By name; none is signed by anybody in the call."""
    transaction_id = stun.transaction_id_make()
    user = [(Name.USERNAME, b"abcd:efgh")]
    record = b"\xfe\xfd" + bytes(8)
    return {
        "empty": b"",
        "one byte of DTLS": b"\x16",
        "one byte of RTP": b"\x80",
        "9,000 zeros": bytes(9000),
        "1,472 bytes of RTP": b"\x80\x6f" + secrets.token_bytes(1470),
        "RTP": b"\x80\x6f" + secrets.token_bytes(60),
        "RTCP goodbye": b"\x81\xcb\x00\x01" + secrets.token_bytes(18),
        "DTLS ClientHello": b"\x16" + record + b"\x00\x0c\x01" + bytes(11),
        "DTLS ServerHello": b"\x16" + record + b"\x00\x0c\x02" + bytes(11),
        "DTLS alert": b"\x15" + record + b"\x00\x02\x02\x28",
        "DTLS close": b"\x15" + record + b"\x00\x02\x01\x00",
        "DTLS data": b"\x17" + record + b"\x00\x20" + secrets.token_bytes(32),
        "STUN without a signature": stun.write(Method.BINDING, Kind.REQUEST, transaction_id, user),
        "STUN with a false one": stun.write(Method.BINDING, Kind.REQUEST, transaction_id, user, key=b"x"),
        "STUN answer to nothing": stun.write(Method.BINDING, Kind.SUCCESS, transaction_id),
    }


def measure(options: Options) -> list[Figure]:
    names = list(payloads())[:: 5 if options.is_quick else 1]
    lost, count = asyncio.run(_trials(names))
    said = ", ".join(lost) or f"{len(names)} payloads, before and during, to worker and device"
    return [
        figure(
            "S10",
            f"calls lost to strangers' datagrams, of {count}",
            len(lost),
            "",
            bar="<= 0",
            reference=said,
        )
    ]


async def _trials(names: Sequence[str]) -> tuple[list[str], int]:
    lost, count = [], 0
    async with end_open("worker", []) as worker, end_open("client", []) as client:
        for name in names:
            for victim in ("worker", "device"):
                for moment in ("before", "during"):
                    count += 1
                    if not await _survives(client, worker, name, victim, moment):
                        lost.append(f"{name} {moment} to the {victim}")
    return lost, count


async def _survives(client: End, worker: End, name: str, victim: str, moment: str) -> bool:
    leg_id, data = uuid4(), payloads()[name]
    client.say(json.dumps({"ice_servers": [], "policy": IceTransportPolicy.ALL, "stays": True}))
    offer = str((await client.hear("offer"))["sdp"])
    if (victim, moment) == ("device", "before"):
        _send(data, offer)
    command = LegOffer(leg_id=leg_id, sdp=offer, ice_servers=[], reply_channel="c", request_id=str(leg_id))
    worker.say(command.to_json())
    while (told := await worker.hear("answer", "error"))["request_id"] != str(leg_id):
        continue
    answer = str(told["sdp"])
    worker.say(ToneStart(leg_id=leg_id, frequency_hz=880, reply_channel="c").to_json())
    if (victim, moment) == ("worker", "before"):
        _send(data, answer)
    client.say(json.dumps({"answer": answer}))
    is_heard = await _is_heard(client)
    if is_heard and moment == "during":
        _send(data, answer if victim == "worker" else offer)
        await asyncio.sleep(0.5)  # what was on its way is no proof
        client.say(json.dumps({"listen": True}))
        is_heard = await _is_heard(client)
    if is_heard:
        client.say("{}")
    worker.say(LegClose(leg_id=leg_id).to_json())
    await client.hear("closed")
    return is_heard


async def _is_heard(client: End) -> bool:
    return str((await client.hear("heard", "failed"))["event"]) == "heard"


def _send(data: bytes, sdp: str) -> None:
    for line in sdp.splitlines():
        words = line.split()
        if not line.startswith("a=candidate:") or words[7] != "host":
            continue
        family = socket.AF_INET6 if ":" in words[4] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as stranger:
            for _ in range(TIMES):
                stranger.sendto(data, (words[4], int(words[5])))
