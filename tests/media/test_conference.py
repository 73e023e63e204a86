"""Three and more real peers through a real worker: what each of them decodes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import numpy as np
import pytest

from media.worker import MediaWorker
from protocol.worker import LegGain, ToneStart, ToneStop
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, Samples, level_db

pytestmark = pytest.mark.unit

MS = 48


@asynccontextmanager
async def call_of(worker: MediaWorker, door: FakeDoor, *pitches: float) -> AsyncIterator[list[RealPeer]]:
    """All of them connected and heard."""
    call_id, peers = uuid4(), [RealPeer(worker, door, frequency_hz=hz) for hz in pitches]
    try:
        for peer in peers:
            peer.microphone.level = 4000  # so that their sum is not clipped, which makes other tones
            await peer.connect(call_id=call_id)
        for peer in peers:
            await door.wait_for("leg_state", lambda told, leg_id=peer.leg_id: told.leg_id == leg_id)  # type: ignore[misc]
        await asyncio.gather(*(peer.listen(0.5) for peer in peers))
        yield peers
    finally:
        await asyncio.gather(*(peer.close() for peer in peers))


async def test_four_peers_hear_the_three_others_and_nobody_himself(
    worker: MediaWorker, door: FakeDoor
) -> None:
    pitches = (310, 830, 1730, 2390)
    async with call_of(worker, door, *pitches) as peers:
        heard_by = await asyncio.gather(*(peer.listen(1.5) for peer in peers))
    for own_hz, heard in zip(pitches, heard_by, strict=True):
        tail = heard[-48_000:]
        assert level_db(tail, own_hz) < -40
        assert all(level_db(tail, hz) > -30 for hz in pitches if hz != own_hz)


def soft_ms(samples: Samples, *, below_hz: float, level: float) -> int:
    """How many milliseconds, in steps of 5, are below that level, looking only at sound under `below_hz`."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(samples.size, 1 / 48_000) > below_hz] = 0
    wave = np.abs(np.fft.irfft(spectrum, samples.size))
    loudest = wave[: wave.size // (5 * MS) * 5 * MS].reshape(-1, 5 * MS).max(axis=1)
    return int((loudest[4:-4] < level).sum()) * 5


async def moved_to_the_mix_and_back(worker: MediaWorker, ben: RealPeer) -> Samples:
    """What he hears meanwhile."""
    await ben.listen(0.5)
    ben.forget()
    await ben.wait_heard(1.0)
    await worker.handle(ToneStart(leg_id=ben.leg_id, frequency_hz=5000, reply_channel="test"))
    await ben.wait_heard(2.0)
    await worker.handle(ToneStop(leg_id=ben.leg_id))
    await ben.wait_heard(4.0)
    return ben.heard()


async def test_a_leg_moves_to_the_mix_and_back_without_an_audible_gap(
    worker: MediaWorker, door: FakeDoor
) -> None:
    gaps_ms: list[int] = []
    async with call_of(worker, door, 440, 700) as (_, ben):
        # A busy machine makes gaps too, but not each time; the benchmark of the mix holds all to 40 ms.
        while not gaps_ms or (len(gaps_ms) < 4 and gaps_ms[-1] > 40):
            heard = await moved_to_the_mix_and_back(worker, ben)
            assert level_db(heard[60_000:90_000], 5000) > -20
            assert level_db(heard[-48_000:], 5000) < -60
            gaps_ms.append(soft_ms(heard, below_hz=3000, level=2000))
    assert gaps_ms[-1] <= 40, gaps_ms


async def test_a_leg_is_made_softer_for_the_others(worker: MediaWorker, door: FakeDoor) -> None:
    async with call_of(worker, door, 440, 1000, 1700) as (anna, ben, carla):
        before = [level_db((await peer.listen(1.0))[-36_000:], 440) for peer in (ben, carla)]
        await worker.handle(LegGain(leg_id=anna.leg_id, gain_db=-20))
        await asyncio.gather(ben.listen(0.5), carla.listen(0.5))
        after = await asyncio.gather(ben.listen(1.0), carla.listen(1.0))
    for level, heard in zip(before, after, strict=True):
        assert (
            level_db(heard[-36_000:], 440) < level - 12
        )  # a busy machine conceals; exactly: test_callmixer.py
