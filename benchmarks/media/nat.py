"""R11: how long a connection takes in the home and by the relay, and whether every kind of router lets it through.

The agent's own peer against the real worker, each in a network namespace behind a router of its own, with coturn
between them (tests/network/lab.py). The time runs from the wish to connect to the first sound that is heard, less
signaling, which here is a pipe.
"""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, Options, figure, quantile_figures
from protocol.messages.connection import IceTransportPolicy
from tests.fakes.coturn import Coturn
from tests.network.calls import Attempt, call, end_open
from tests.network.lab import Lab, Nat, Side, lab_open

FIGURES: Final = ("R11", "R11.lan", "R11.turn", "R11.nat", "R11.matrix")

ATTEMPTS: Final = 1000
QUICK_ATTEMPTS: Final = 25
TIMED: Final = 100
QUICK_TIMED: Final = 10
# Client, worker: the five kinds.
KINDS: Final = (
    (Nat.OPEN, Nat.OPEN),
    (Nat.CONE, Nat.CONE),
    (Nat.SYMMETRIC, Nat.SYMMETRIC),
    (Nat.UDP_BLOCKED, Nat.CONE),
    (Nat.CONE, Nat.UDP_BLOCKED),
)
MATRIX: Final = tuple((client, worker) for client in Nat for worker in Nat)


def measure(options: Options) -> list[Figure]:
    found: list[Figure] = []
    timed = QUICK_TIMED if options.is_quick else TIMED
    with tempfile.TemporaryDirectory() as folder, lab_open(Path(folder)) as (lab, turn):
        if options.wants("R11.lan"):
            found += _timed("R11.lan", "call set-up on the LAN", lab, turn, timed, IceTransportPolicy.ALL)
        if options.wants("R11.turn"):
            found += _timed("R11.turn", "call set-up by TURN", lab, turn, timed, IceTransportPolicy.RELAY)
        if options.wants("R11.nat"):
            found.append(_kinds(lab, turn, QUICK_ATTEMPTS if options.is_quick else ATTEMPTS))
        if options.wants("R11.matrix"):
            found.append(_matrix(lab, turn))
    return found


def _timed(
    figure_id: str, name: str, lab: Lab, turn: Coturn, count: int, policy: IceTransportPolicy
) -> list[Figure]:
    attempts = _attempts(lab, turn, (Nat.OPEN, Nat.OPEN), count, policy=policy)
    times = [attempt.setup_s for attempt in attempts if attempt.setup_s is not None]
    p50, p95 = ("<= 0.5", "<= 1") if policy is IceTransportPolicy.ALL else ("<= 1", "<= 2")
    failed = Counter(attempt.reason for attempt in attempts if attempt.setup_s is None)
    said = "; ".join(f"{number} times: {reason}" for reason, number in failed.items())
    return quantile_figures(figure_id, name, times, "s", runs=count, p50_bar=p50, p95_bar=p95, reference=said)


def _kinds(lab: Lab, turn: Coturn, count: int) -> Figure:
    connected, reasons = Counter[str](), Counter[str]()
    for kind in KINDS:
        for attempt in _attempts(lab, turn, kind, count // len(KINDS)):
            connected[f"{kind[0]} to {kind[1]}"] += attempt.setup_s is not None
            reasons.update([attempt.reason] if attempt.setup_s is None else [])
    said = "; ".join(f"{name}: {number} of {count // len(KINDS)}" for name, number in connected.items())
    said += "".join(f"; {number} times: {reason}" for reason, number in reasons.items())
    share = 100 * connected.total() / count
    return figure(
        "R11.nat", f"connected, of {count} over five kinds", share, "%", bar=">= 99.9", reference=said
    )


def _matrix(lab: Lab, turn: Coturn) -> Figure:
    """Every kind against every kind, once."""
    failed = [
        f"{client} to {worker}"
        for client, worker in MATRIX
        if any(attempt.setup_s is None for attempt in _attempts(lab, turn, (client, worker), 1))
    ]
    said = f"not: {', '.join(failed)}" if failed else "every kind to every kind"
    share = len(MATRIX) - len(failed)
    return figure(
        "R11.matrix", f"cells connected, of {len(MATRIX)}", share, "", bar=f">= {len(MATRIX)}", reference=said
    )


def _attempts(
    lab: Lab,
    turn: Coturn,
    kind: tuple[Nat, Nat],
    count: int,
    *,
    policy: IceTransportPolicy = IceTransportPolicy.ALL,
) -> list[Attempt]:
    lab.configure(Side.CLIENT, kind[0])
    lab.configure(Side.WORKER, kind[1])

    async def run() -> list[Attempt]:
        async with (
            end_open("worker", lab.inside(Side.WORKER)) as worker,
            end_open("client", lab.inside(Side.CLIENT)) as client,
        ):
            return [await call(client, worker, turn, policy=policy) for _ in range(count)]

    return asyncio.run(run())
