"""Connections between a client and a worker that live in different networks."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from protocol.messages.connection import IceServer, IceTransportPolicy
from protocol.worker import CandidateScope, LegClose, LegOffer, ToneStart
from tests.fakes.coturn import Coturn, credential
from tests.operate.hub_process import ROOT

ANSWERS_WITHIN_S = 30.0
STARTS_WITHIN_S = 90.0  # on a machine that has much else to do


@dataclass(frozen=True)
class Attempt:
    """`setup_s`: from the wish to connect to the first sound that is heard; None when that did not come."""

    setup_s: float | None
    reason: str = ""


@dataclass
class End:
    """A process of tests.network.end."""

    process: asyncio.subprocess.Process
    told: list[dict[str, Any]] = field(default_factory=list)

    def say(self, text: str) -> None:
        if self.process.stdin is None:
            raise RuntimeError("no way in")
        self.process.stdin.write(text.encode() + b"\n")

    async def hear(self, *events: str, within_s: float = ANSWERS_WITHIN_S) -> dict[str, Any]:
        """The next of those events. Raises TimeoutError."""
        if self.process.stdout is None:
            raise RuntimeError("no way out")
        async with asyncio.timeout(within_s):
            while line := await self.process.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                if told["event"] in events:
                    return told
        raise RuntimeError(f"the end ended before {events}")


@asynccontextmanager
async def end_open(kind: str, prefix: Sequence[str], **environment: str) -> AsyncIterator[End]:
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-m", "tests.network.end", kind,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1_000_000, cwd=ROOT,
        env=os.environ | environment,
    )  # fmt: skip
    end = End(process)
    try:
        await end.hear("ready", within_s=STARTS_WITHIN_S)
        yield end
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def call(
    client: End, worker: End, turn: Coturn, *, policy: IceTransportPolicy = IceTransportPolicy.ALL
) -> Attempt:
    """One connection, with credentials as the hub makes them, and its end."""
    leg_id, request_id = uuid4(), uuid4().hex
    client.say(json.dumps({"ice_servers": servers(turn, f"{leg_id}"), "policy": policy}))
    offer = await client.hear("offer")
    is_relay = policy is IceTransportPolicy.RELAY
    command = LegOffer(
        leg_id=leg_id,
        sdp=offer["sdp"],
        ice_servers=[IceServer.model_validate(one) for one in servers(turn, f"{leg_id}/worker")],
        candidate_scope=CandidateScope.RELAY if is_relay else CandidateScope.HOUSEHOLD,
        reply_channel="c",
        request_id=request_id,
    )
    worker.say(command.to_json())
    while (answer := await worker.hear("answer", "error"))["request_id"] != request_id:
        continue
    if "sdp" not in answer:
        client.say(json.dumps({}))
        await client.hear("closed")
        return Attempt(None, str(answer["message"]))
    worker.say(ToneStart(leg_id=leg_id, frequency_hz=880, reply_channel="c").to_json())
    client.say(json.dumps({"answer": answer["sdp"]}))
    result = await client.hear("heard", "failed")
    worker.say(LegClose(leg_id=leg_id).to_json())
    await client.hear("closed")
    return Attempt(result.get("heard_s"), result.get("reason", ""))


def servers(turn: Coturn, identity: str) -> list[dict[str, Any]]:
    username, password = credential(600, identity=identity)
    stun = {"urls": [f"stun:{turn.ip}:{turn.port}"]}
    return [stun, {"urls": turn.urls, "username": username, "credential": password}]
