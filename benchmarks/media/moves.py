"""Media workers that are killed, hang or drain while people talk: when sound is back, and what was recorded.

Everything but the sockets is real: PostgreSQL, Valkey, `python -m media --processes 3`, WebRTC, sealed files. Two calls
go on; the faults hit the worker of the first. Times are those of a tone that was heard at both ends.
"""

import asyncio
import gc
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.environment import rows_ready
from benchmarks.figures import Figure, Options, figure, quantile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from calls.models import Call, CallParticipant
    from devices.models import Device
    from households.models import Membership
    from tests.fakes.media_program import MediaProgram
    from tests.fakes.phone import Phone

FIGURES: Final = ("R1", "R2", "R18")
GHOSTS_AFTER_S: Final = 8.0
LEGS: Final = 4
SETTLE_S: Final = 1.2  # of sound between two faults


@dataclass(frozen=True)
class Plan:
    trials: int = 50  # kill -9 and hang in turn
    kills: int = 50  # more of them, for the files
    drains: int = 10
    ghost_looks_every: int = 10


QUICK: Final = Plan(trials=6, kills=4, drains=3, ghost_looks_every=3)


@dataclass
class Found:
    back_s: list[float] = field(default_factory=list)
    ghosts: int = 0
    others_moved: int = 0
    others_gap_s: float = 0.0
    faults: dict[str, float] = field(default_factory=dict)  # worker: wall time of its fault
    playable: int = 0
    lost_s: list[float] = field(default_factory=list)
    drained_s: list[float] = field(default_factory=list)
    drain_gaps_s: list[float] = field(default_factory=list)
    cut: int = 0


@dataclass
class Rig:
    """Two calls through three workers: that of the faults, and the one that must not notice them."""

    media: "MediaProgram"
    call: "Call"
    phones: list["Phone"]
    other: "Call"
    others: list["Phone"]


def measure(options: Options) -> list[Figure]:
    plan = QUICK if options.is_quick else Plan()
    with rows_ready("moves") as folder:
        found = _run(folder, plan)
    return _figures(found, plan)


def _run(folder: Path, plan: Plan) -> Found:
    from django_scopes import scopes_disabled

    from tests.fakes.media_program import MediaProgram
    from tests.plugin_cast import _cast_make

    found = Found()
    with scopes_disabled():
        cast = _cast_make()
        with MediaProgram(processes=3, log=folder / "media.log") as media:
            calls = [_call_make(cast.anna, cast.kitchen), _call_make(cast.carla, cast.cellar)]
            asyncio.run(_talk(media, calls, cast.keys, plan, found))
            _recordings(calls[0], found)
    return found


def _call_make(member: "Membership", device: "Device") -> "Call":
    from calls.services import call_accept, call_start
    from tests.plugin_cast import device_go_online

    device_go_online(device)
    call = call_start(membership=member, device=device)
    call_accept(call=call)
    return call


async def _talk(
    media: "MediaProgram",
    calls: "list[Call]",
    keys: "dict[int, EllipticCurvePrivateKey]",
    plan: Plan,
    found: Found,
) -> None:
    from asgiref.sync import sync_to_async

    from tests.fakes.phone import Phone

    gc.freeze()  # a look at all of Django's objects would hold up both ends, and pass for a gap
    async with AsyncExitStack() as stack:
        phones: list[Phone] = []
        for call, (first_hz, second_hz) in zip(calls, ((440, 1000), (600, 1400)), strict=True):
            legs = await sync_to_async(_legs)(call)
            for leg, says_hz, hears_hz in zip(
                legs, (first_hz, second_hz), (second_hz, first_hz), strict=True
            ):
                key = keys[leg.device_id] if leg.device_id else None
                phone = Phone(leg, says_hz=says_hz, hears_hz=hears_hz, key=key)
                phones.append(await stack.enter_async_context(phone))
        began_s = time.monotonic()
        await asyncio.gather(*(phone.connect() for phone in phones))
        await asyncio.gather(*(phone.wait_heard(began_s) for phone in phones))
        rig = Rig(media, calls[0], phones[:2], calls[1], phones[2:])
        for number in range(plan.trials + plan.kills):
            hangs = number % 2 and number < plan.trials
            looks = number % plan.ghost_looks_every == 0
            await _fault(rig, signal.SIGSTOP if hangs else signal.SIGKILL, found, looks_for_ghosts=looks)
        for _ in range(plan.drains):
            await _drain_one(rig, found)
        await _drain_all(rig, found)


def _legs(call: "Call") -> "tuple[CallParticipant, CallParticipant]":
    from django_scopes import scopes_disabled

    with scopes_disabled():
        legs = call.participants.select_related("call", "household", "device")
        return legs.get(role="caller"), legs.get(role="callee")


async def _worker_of(call: "Call") -> str:
    from django_scopes import scopes_disabled

    with scopes_disabled():
        await call.arefresh_from_db()
    return str(call.worker_id)


async def _fault(rig: Rig, number: signal.Signals, found: Found, *, looks_for_ghosts: bool) -> None:
    await asyncio.sleep(SETTLE_S)
    await asyncio.to_thread(rig.media.wait_ready)
    worker_id, untouched = await _worker_of(rig.call), await _worker_of(rig.other)
    fault_s, found.faults[worker_id] = time.monotonic(), time.time()
    await asyncio.to_thread(rig.media.signal_worker, worker_id, number)
    back_s = [await phone.wait_line_heard(fault_s, timeout_s=30) - fault_s for phone in rig.phones]
    found.back_s.append(max(back_s))
    if untouched != worker_id:
        found.others_moved += await _worker_of(rig.other) != untouched
        gaps_s = [phone.longest_gap_s(fault_s, time.monotonic()) for phone in rig.others]
        found.others_gap_s = max(found.others_gap_s, *gaps_s)
    if looks_for_ghosts:
        await asyncio.sleep(max(0.0, fault_s + GHOSTS_AFTER_S - time.monotonic()))
        legs = sum(worker.leg_count for worker in await asyncio.to_thread(rig.media.workers))
        found.ghosts = max(found.ghosts, legs - LEGS)


async def _drain_one(rig: Rig, found: Found) -> None:
    """SIGTERM for the worker of the first call, while others are there."""
    import psutil

    await asyncio.sleep(SETTLE_S)
    await asyncio.to_thread(rig.media.wait_ready)
    worker_id = await _worker_of(rig.call)
    [pid] = [w.pid for w in await asyncio.to_thread(rig.media.workers) if w.worker_id == worker_id]
    told_s = time.monotonic()
    await asyncio.to_thread(rig.media.signal_worker, worker_id, signal.SIGTERM)
    await asyncio.to_thread(psutil.Process(pid).wait, 70)
    found.drained_s.append(time.monotonic() - told_s)
    await asyncio.sleep(SETTLE_S)
    found.cut += sum(phone.ended is not None for phone in rig.phones)
    found.drain_gaps_s += [phone.longest_gap_s(told_s, time.monotonic()) for phone in rig.phones]


async def _drain_all(rig: Rig, found: Found) -> None:
    """SIGTERM for the whole program, with nobody to take the calls: they end, and everybody hears why."""
    told_s = time.monotonic()
    rig.media.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(rig.media.process.wait, 70)
    found.drained_s.append(time.monotonic() - told_s)
    await asyncio.sleep(1.0)
    found.cut += sum(not (phone.ended or {}).get("reason") for phone in rig.phones + rig.others)


def _recordings(call: "Call", found: Found) -> None:
    """What the workers that died had written of the first call."""
    from calls.recording.mixdown import sound_duration_s
    from calls.recording.sounds import sound_open
    from calls.tasks import recordings_recover_task

    for worker_id, fault_at_s in found.faults.items():
        recordings_recover_task(worker_id)
        ends_s = [
            part.started_at.timestamp() + sound_duration_s(partial(sound_open, part))
            for part in call.recordings.filter(worker_id=worker_id, state="finished")
            if part.started_at and sound_duration_s(partial(sound_open, part)) > 0
        ]
        found.playable += len(ends_s) == 2
        found.lost_s += [max(0.0, fault_at_s - end_s) for end_s in ends_s]


def _figures(found: Found, plan: Plan) -> list[Figure]:
    trials = found.back_s[: plan.trials]
    said = f"{len(trials)} trials, kill -9 and hang in turn"
    faults = plan.trials + plan.kills
    return [
        figure("R1.p95", "sound both ways after a fault, p95", quantile(trials, 0.95), "s", bar="<= 3", reference=said),
        figure("R1.max", "the same, longest", max(trials), "s", bar="<= 8", reference=said),
        figure("R1.kill", "the same, kill -9 only, p95", quantile(trials[::2], 0.95), "s"),
        figure("R1.hang", "the same, hang only, p95", quantile(trials[1::2], 0.95), "s"),
        figure("R1.others", "times that the call elsewhere was moved", found.others_moved, "", bar="= 0",
               reference=f"its longest gap {1000 * found.others_gap_s:.0f} ms"),
        figure("R1.ghosts", "legs too many 8 s after a fault", found.ghosts, "", bar="= 0"),
        figure("R2.playable", "faults after which both files play", found.playable, "", bar=f"= {faults}",
               reference=f"{faults} faults"),
        figure("R2.lost", "sound lost at the end of a file, most", max(found.lost_s, default=None), "s", bar="<= 1"),
        figure("R18.drained", "SIGTERM to exit, longest", max(found.drained_s), "s", bar="<= 60",
               reference=f"{plan.drains} workers, then the whole program with its calls"),
        figure("R18.cut", "ends cut off without notice", found.cut, "", bar="= 0"),
        figure("R18.gap", "gap while a worker hands a call over, p95", quantile(found.drain_gaps_s, 0.95), "s",
               reference=f"longest {1000 * max(found.drain_gaps_s):.0f} ms"),
    ]  # fmt: skip
