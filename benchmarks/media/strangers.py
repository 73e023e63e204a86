"""S12, S13, S14: what strangers can make the worker and the relay do.

The worker of S12 and S13 lives in a network namespace with one cable that leads nowhere; counters of the kernel watch
the networks to which no packet may go.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from benchmarks.figures import NO_BAR, Figure, Options, figure
from tests.fakes.coturn import SPECIAL_PURPOSE, Coturn, coturn, credential, permits
from tests.operate.hub_process import ROOT
from turn.client import TurnError, turn_open
from turn.servers import server_read

FIGURES: Final = ("S12", "S13", "S13.candidates", "S14.peers", "S14.life", "S14.credentials", "S14.outlives")

OFFERS: Final = 1000
QUICK_OFFERS: Final = 40
WRONG_CREDENTIALS: Final = 1000
QUICK_WRONG_CREDENTIALS: Final = 50
FORBIDDEN: Final = (
    "127.0.0.0/8",
    "0.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "100.100.100.200/32",
    "172.31.240.0/24",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::/32",
    "2002::/16",
    "64:ff9b::/96",
    "::/96",
)


def measure(options: Options) -> list[Figure]:
    found: list[Figure] = []
    if any(options.wants(figure_id) for figure_id in FIGURES[:3]):
        found += _offers(QUICK_OFFERS if options.is_quick else OFFERS)
    if any(options.wants(figure_id) for figure_id in FIGURES[3:]):
        with tempfile.TemporaryDirectory() as folder, _relay(Path(folder)) as server:
            found += asyncio.run(
                _turn(server, QUICK_WRONG_CREDENTIALS if options.is_quick else WRONG_CREDENTIALS)
            )
    return found


def _offers(count: int) -> list[Figure]:
    with _namespace() as inside:
        _count(inside, FORBIDDEN)
        _send_one(inside)
        control, before = _sent(inside), _sent(inside)
        done = subprocess.run(
            [*inside, sys.executable, "-m", "benchmarks.media.hostile", str(count)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        told: dict[str, Any] = json.loads(done.stdout)
        sent = _sent(inside) - before
    said = f"{told['answered']} answered, {told['refused']} refused; the counters saw {control} of 1 sent on purpose"
    cpu = f"{told['stall_cpu_ms']:.3g} ms of CPU; offers of 16 KiB in their worst forms, 60 candidates each, best of 5"
    name = f"packets to forbidden networks from {count} offers"
    return [
        figure("S12", "event loop held by one message", told["stall_ms"], "ms", bar="<= 50", reference=cpu),
        figure("S13", name, sent if control == 1 else None, "", bar="<= 0", reference=said),
        figure("S13.candidates", "candidates kept by a connection", told["candidates_kept"], "", bar="<= 32"),
    ]


@contextmanager
def _namespace() -> Iterator[list[str]]:
    """A machine with public addresses, whose every packet leaves by a cable to nowhere."""
    name = f"hls{os.getpid() % 100_000}"
    inside = ["ip", "netns", "exec", name]
    _run("ip", "netns", "add", name)
    try:
        for words in (
            "ip link set lo up",
            "ip link add sink type veth peer name nowhere",
            "ip link set sink up",
            "ip link set nowhere up",
            "ip addr add 20.9.9.2/24 dev sink",
            "ip -6 addr add 2a0f::2/64 dev sink nodad",
            "ip route add default via 20.9.9.1",
            "ip -6 route add default via 2a0f::1",
        ):
            _run(*inside, *words.split())
        yield inside
    finally:
        _run("ip", "netns", "del", name)


def _count(inside: Sequence[str], networks: Sequence[str]) -> None:
    """A counter for UDP to each network. The kernel's own neighbour discovery is no UDP."""
    for network in networks:
        program = "iptables" if ip_network(network).version == 4 else "ip6tables"
        _run(*inside, program, "-A", "OUTPUT", "-p", "udp", "-d", network)


def _sent(inside: Sequence[str]) -> int:
    total = 0
    for program in ("iptables", "ip6tables"):
        text = _run(*inside, program, "-nvxL", "OUTPUT")
        total += sum(
            int(match[1]) for match in re.finditer(r"^\s*(\d+)\s+\d+\s+(?:udp|17)\s", text, re.MULTILINE)
        )
    return total


def _send_one(inside: Sequence[str]) -> None:
    """So that a counter that counts nothing is noticed."""
    script = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    _run(*inside, sys.executable, "-W", "ignore", "-c", script)


def _run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@contextmanager
def _relay(folder: Path) -> Iterator[Coturn]:
    with coturn(folder, words=("--relay-ip=::1",)) as server:
        yield server


async def _turn(server: Coturn, wrong: int) -> list[Figure]:
    reached = [
        peer for peer, is_permitted in (await permits(server, SPECIAL_PURPOSE)).items() if is_permitted
    ]
    # First: later its port may be that of a wrong one, which the server remembers for a while.
    refusal = await _refusal(server, *credential(60, identity="control"))
    accepted = sum([await _refusal(server, *_wrong(number)) is None for number in range(wrong)])
    peers = f"special-purpose peers relayed to, of {len(SPECIAL_PURPOSE)}"
    forged = f"forged or expired credentials accepted, of {wrong}"
    said = "a right one is accepted" if refusal is None else f"a right one was refused too: {refusal}"
    longer = "allocation refreshed after its credential expired"
    return [
        figure("S14.peers", peers, len(reached), "", bar="<= 0", reference=", ".join(reached)),
        figure("S14.life", "life of a credential", _life_s() / 60, "min", bar="<= 10"),
        figure(
            "S14.credentials", forged, accepted if refusal is None else None, "", bar="<= 0", reference=said
        ),
        figure("S14.outlives", longer, await _refreshed_s(server), "s", bar=NO_BAR),
    ]


def _wrong(number: int) -> tuple[str, str]:
    """Expired by seconds to weeks; made with another secret; for another user; cut short."""
    username, password = credential(60, identity=str(uuid4()))
    return (
        credential(-(2 ** (number % 20)) - 1),
        credential(60, secret=f"guess {number}"),
        (username.replace(":", f":{number}", 1), password),
        (username, password[:-2]),
        (username, ""),
    )[number % 5]


async def _refusal(server: Coturn, username: str, password: str) -> str | None:
    """In the client's words; None: the credential was accepted."""
    async with turn_open(server_read(server.urls[0]), username=username, credential=password) as client:
        try:
            await client.allocate()
            await client.refresh(0)
        except TurnError as error:
            return str(error)
        return None


async def _refreshed_s(server: Coturn) -> float | None:
    """Seconds after the expiry at which a refresh was still granted."""
    username, password = credential(2, identity="long-call")
    began_s = time.monotonic()
    async with turn_open(server_read(server.urls[0]), username=username, credential=password) as client:
        await client.allocate()
        await asyncio.sleep(4)
        granted = await client.refresh(600)
    return time.monotonic() - began_s - 2 if granted == 600 else None


def _life_s() -> float:
    """As the hub makes them, in a process with its settings."""
    script = (
        "import django, time; django.setup(); from calls.network.ice import LIFE_S, turn_credential;"
        "print(int(turn_credential('x', life_s=LIFE_S)[0].split(':')[0]) - time.time())"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test", "HUB_DATA_DIR": folder}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)
