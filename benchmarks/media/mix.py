"""MX1-MX5: what the mix costs, whether it gives anybody his own voice back, and what of lost packets is heard.

MX1, MX2, MX4 and MX5 run the worker's mixer, jitter buffer and codec on packets that arrive by a clock of their own,
so that a busy machine changes no result but the times of MX1, which are CPU times of the thread. MX3 is a call of
two real aiortc peers through a real worker, measured in the samples that one of them decodes.
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np

from benchmarks.figures import Figure, Options, figure, quantile
from media.worker import MediaWorker
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from protocol.worker import ToneStart, ToneStop
from sound.opus import OpusEncoder, Samples
from sound.receiver import VoiceReceiver
from tests.fakes.door import FakeDoor
from tests.fakes.mixing import Room, tone
from tests.fakes.peer import RealPeer, level_db

FIGURES: Final = ("MX1", "MX2", "MX3", "MX4", "MX5")

PITCHES: Final = (310, 530, 830, 1210, 1730, 2390)
MIX_S, QUICK_MIX_S = 30.0, 5.0
MOVES, QUICK_MOVES = 10, 2
LOSSY_S, QUICK_LOSSY_S = 300.0, 30.0
LOSS: Final = 0.03
SILENT_PEAK: Final = 30  # of 32767
_MS: Final = SAMPLE_RATE_HZ // 1000
_STEP_MS: Final = 5


def measure(options: Options) -> list[Figure]:
    found: list[Figure] = []
    if options.wants("MX1"):
        found += _cost(QUICK_MIX_S if options.is_quick else MIX_S)
    if options.wants("MX2"):
        found.append(_own_voice())
    if options.wants("MX3"):
        found.append(asyncio.run(_moves(QUICK_MOVES if options.is_quick else MOVES)))
    if options.wants("MX4"):
        found += _recovery()
    if options.wants("MX5"):
        found.append(_holes(QUICK_LOSSY_S if options.is_quick else LOSSY_S))
    return found


def buzz(seconds: float, *, hz: float = 150.0) -> Samples:
    """A voice that never pauses: harmonics whose loudness and pitch move as in speech, with a little noise."""
    at_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    phase = np.cumsum(2 * np.pi * hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * at_s)) / SAMPLE_RATE_HZ)
    wave = sum(np.sin(k * phase) / k for k in range(1, 16)) * (1 + 0.4 * np.sin(2 * np.pi * 4 * at_s))
    noise = np.random.default_rng(1).normal(0, 60, at_s.size)
    return np.asarray(wave * 3000 + noise).astype(np.int16)


def _cost(seconds: float) -> list[Figure]:
    room, times_ms = Room(*(buzz(10.0, hz=110 + 17 * n) for n in range(6))), list[float]()
    tick = room.mixer.tick

    def timed(now_s: float) -> None:
        began_s = time.thread_time()
        tick(now_s)
        times_ms.append((time.thread_time() - began_s) * 1000)

    room.mixer.tick = timed  # type: ignore[method-assign]
    room.pass_s(1.0)
    times_ms.clear()
    room.pass_s(seconds)
    words = f"six decoded and encoded, {len(times_ms)} frames, least {min(times_ms):.2f} ms"
    mean = sum(times_ms) / len(times_ms)
    return [
        figure("MX1.mean", "six-way mix, CPU per 20 ms, mean", mean, "ms", bar="<= 2", reference=words),
        figure("MX1.p99", "six-way mix, CPU per 20 ms, p99", quantile(times_ms, 0.99), "ms"),
    ]


def _own_voice() -> Figure:
    """The loudest own tone that any of six hears, against the same tone as the others hear it.

    Within 2 Hz: what the codec adds is spread wider, and is nobody's voice.
    """
    room = Room(*(tone(hz, level=4000) for hz in PITCHES))
    room.pass_s(6.0)
    heard = [person.heard(skip_s=2.0) for person in room.people]
    worst = -np.inf
    for i, hz in enumerate(PITCHES):
        others = min(level_db(sound, hz, width_hz=2) for j, sound in enumerate(heard) if j != i)
        worst = max(worst, level_db(heard[i], hz, width_hz=2) - others)
    return figure("MX2", "own voice heard back, six in a call", worst, "dB", bar="<= -40")


async def _moves(count: int) -> Figure:
    """A tone for one leg moves it to the mix, its end back; what of the other's voice is missing?"""
    gaps: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        door = FakeDoor()
        worker = MediaWorker(door, recordings_root=Path(folder) / "r", captures_root=Path(folder) / "c")
        anna, ben = RealPeer(worker, door, frequency_hz=440), RealPeer(worker, door, frequency_hz=700)
        call_id = uuid4()
        for peer in (anna, ben):
            await peer.connect(call_id=call_id)
        await ben.listen(1.0)
        for _ in range(count):
            ben.forget()
            await ben.wait_heard(0.6)
            await worker.handle(ToneStart(leg_id=ben.leg_id, frequency_hz=5000, reply_channel="-"))
            await ben.wait_heard(1.2)
            await worker.handle(ToneStop(leg_id=ben.leg_id))
            gaps.append(_longest_gap_ms(await ben.wait_heard(3.0)))
        for peer in (anna, ben):
            await peer.close()
        await worker.aclose()
    words = f"{count} moves there and back, median {quantile(gaps, 0.5)} ms, in steps of {_STEP_MS} ms"
    return figure(
        "MX3", "longest gap, forward to mix to forward", max(gaps), "ms", bar="<= 40", reference=words
    )


def _longest_gap_ms(samples: Samples) -> int:
    """How long the voice, a tone of 440 Hz at half scale, is below a quarter of that."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE_HZ) > 3000] = 0
    wave = np.abs(np.fft.irfft(spectrum, samples.size))
    step = _STEP_MS * _MS
    loudest = wave[: wave.size // step * step].reshape(-1, step).max(axis=1)
    return _longest_run(loudest[4:-4] < 4000) * _STEP_MS


def _longest_run(flags: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _recovery() -> list[Figure]:
    """How long the delay stays above what it was, after one lost packet and after 200 ms without any."""
    lost = max(_delay_back_s(number, stall_s=0.0) for number in range(100, 130))
    stalled = max(_delay_back_s(number, stall_s=0.2) for number in range(100, 110))
    return [
        figure("MX4", "delay back at its base after one lost packet", lost, "s", bar="<= 2"),
        figure("MX4.stall", "the same after 200 ms without a packet", stalled, "s", bar="<= 2"),
    ]


def _delay_back_s(number: int, *, stall_s: float) -> float:
    """The base may differ by one period of a voice, 10 ms."""
    receiver, encoder, ahead, waiting = VoiceReceiver(), OpusEncoder(), list[int](), list[tuple[int, bytes]]()
    for n, frame in enumerate(buzz(8.0).reshape(-1, FRAME_SAMPLES)):
        if stall_s or n != number:
            waiting.append((n, encoder.encode(frame)))
        if not 0 <= (n - number) * 0.02 < stall_s:
            for sent, payload in waiting:
                receiver.push(payload, source=1, sequence_number=sent, timestamp=sent * FRAME_SAMPLES)
            waiting.clear()
        ahead.append(receiver.ahead)
        receiver.pop()
    above = [n for n in range(number, len(ahead)) if ahead[n] > ahead[number - 10] + 10 * _MS]
    return (above[-1] + 1 - number) * 0.02 if above else 0.0


def _holes(seconds: float) -> Figure:
    chance, receiver, encoder = random.Random(7), VoiceReceiver(), OpusEncoder()
    encoder.adapt(bitrate_bps=32_000, loss=LOSS)
    heard = []
    for number, frame in enumerate(buzz(seconds).reshape(-1, FRAME_SAMPLES)):
        payload = encoder.encode(frame)
        if chance.random() >= LOSS:
            receiver.push(payload, source=1, sequence_number=number, timestamp=number * FRAME_SAMPLES)
        heard.append(receiver.pop())
    loudest = np.abs(np.concatenate(heard[10:]).astype(int)).reshape(-1, _MS).max(axis=1)
    words = f"{seconds:.0f} s, {receiver.concealment_events} losses concealed or recovered"
    hole_ms = _longest_run(loudest < SILENT_PEAK)
    return figure(
        "MX5", "longest silent hole at 3 % random loss", hole_ms, "ms", bar="<= 40", reference=words
    )
