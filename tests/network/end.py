"""`python -m tests.network.end worker|client`: one end of a call in a process, steered by lines of JSON.

worker: commands of protocol.worker come in; what its door is told goes out, and after a line with `look` how long its
loop ever stood still. client: the agent's own peer; each
`{"ice_servers", "policy", "stays"}` begins a connection, `{"answer"}` goes on with it; one that stays says whether it
still hears after each `{"listen"}`, and ends with `{}`.
"""

import asyncio
import gc
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from agent.audio import Samples
from agent.peer import IceConfiguration, Peer, PeerError
from media.connection import loop
from media.connection.loop import compile_early
from media.worker import MediaWorker
from protocol.messages.connection import IceServer, IceTransportPolicy
from protocol.worker import parse_command
from tests.fakes.door import FakeDoor
from tests.fakes.peer import ToneTrack
from tests.network.stalls import Stalls
from turn.choice import ServerChoice

CONNECTS_WITHIN_S = 15.0
HEARS_WITHIN_S = 5.0
LOUD = 2_000


def say(**fields: Any) -> None:
    print(json.dumps(fields, default=str), flush=True)


async def lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1_000_000)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


class TellingDoor(FakeDoor):
    def _tell(self, name: str, **values: Any) -> None:
        say(event=name, **values)


async def worker_run() -> None:
    """As `python -m media` begins, so that a look at all objects holds nothing up."""
    compile_early()
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        worker = MediaWorker(
            TellingDoor(),
            recordings_root=Path(folder) / "recordings",
            captures_root=Path(folder) / "captures",
        )
        say(event="ready")
        reader, stalls = await lines(), Stalls()
        async with stalls:
            while line := await reader.readline():
                if b'"look"' in line[:8]:
                    say(
                        event="stall",
                        longest_ms=1000 * stalls.longest_s,
                        cpu_ms=1000 * stalls.cpu_of_longest_s,
                        kept=stalls.kept,
                    )
                else:
                    await worker.handle(parse_command(line.decode()))
        await worker.aclose()


class Client:
    """One connection after another."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certificate(self._key)
        self._choice = ServerChoice()
        self._heard = asyncio.Event()

    async def connect(self, order: dict[str, Any], reader: asyncio.StreamReader) -> None:
        began_s = time.monotonic()
        self._heard.clear()
        servers = [IceServer.model_validate(server) for server in order["ice_servers"]]
        chosen = await self._choice.choose(servers)
        peer = Peer(
            key=self._key,
            certificate=self._certificate,
            ice=IceConfiguration(servers=chosen, policy=IceTransportPolicy(order["policy"])),
            track=ToneTrack(440.0),
            on_samples=self._on_samples,
        )
        try:
            say(event="offer", sdp=await peer.make_offer())
            answer = json.loads(await reader.readline())
            if "answer" not in answer:
                return
            await peer.accept_answer(answer["answer"])
            await peer.wait_connected(CONNECTS_WITHIN_S)
            connected_s = time.monotonic() - began_s
            async with asyncio.timeout(HEARS_WITHIN_S):
                await self._heard.wait()
            say(event="heard", connected_s=connected_s, heard_s=time.monotonic() - began_s)
            while order.get("stays") and "listen" in json.loads(await reader.readline()):
                self._heard.clear()
                async with asyncio.timeout(HEARS_WITHIN_S):
                    await self._heard.wait()
                say(event="heard")
        except (PeerError, TimeoutError) as error:
            say(event="failed", reason=str(error) or type(error).__name__)
        finally:
            await peer.close()
            say(event="closed")

    def _on_samples(self, peer: Peer, samples: Samples) -> None:
        if np.abs(samples).max(initial=0) > LOUD:
            self._heard.set()


async def client_run() -> None:
    client = Client()
    say(event="ready")
    reader = await lines()
    while line := await reader.readline():
        await client.connect(json.loads(line), reader)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "end")]), datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if sys.argv[1] == "worker":
        loop.run(worker_run())
    else:
        asyncio.run(client_run())
