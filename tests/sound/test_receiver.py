"""The jitter buffer: any network, always 20 ms of sound, nothing said twice, never without bounds."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from protocol.audio import FRAME_SAMPLES
from sound.jitter import MAX_WAITING_SAMPLES
from sound.opus import DTX_MAX_BYTES, OpusDecoder, OpusEncoder, Samples
from sound.receiver import LEAST_AHEAD, VoiceReceiver

pytestmark = pytest.mark.unit

FRAME_S = 0.02
MS = 48
# A seed does not get simpler by becoming smaller, so there is nothing to shrink.
relaxed = settings(
    deadline=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass
class NotingDecoder:
    """Notes which packets it was given. A packet is a valid Opus one that carries its number."""

    decoded: list[int] = field(default_factory=list)
    recovered: list[int] = field(default_factory=list)

    def decode(self, payload: bytes) -> Samples:
        self.decoded.append(int.from_bytes(payload[1:], "big"))
        return np.full(FRAME_SAMPLES, 1000, np.int16)

    def recover(self, payload: bytes, samples: int) -> Samples:
        self.recovered.append(int.from_bytes(payload[1:], "big") - 1)
        return np.full(samples, 1000, np.int16)

    def conceal(self, samples: int) -> Samples:
        return np.zeros(samples, np.int16)


@dataclass(frozen=True)
class Sent:
    number: int
    position: int  # in frames: numbers go on through a pause, timestamps jump
    arrives_s: float


def payload_of(number: int) -> bytes:
    return b"\x78" + number.to_bytes(4, "big")


def push(receiver: VoiceReceiver, sent: Sent, *, first: int = 0, timestamp: int = 0) -> None:
    receiver.push(
        payload_of(sent.number),
        source="a",
        sequence_number=(first + sent.number) & 0xFFFF,
        timestamp=(timestamp + sent.position * FRAME_SAMPLES) & 0xFFFF_FFFF,
    )


def frames(
    receiver: VoiceReceiver, packets: list[Sent], count: int, *, first: int = 0, timestamp: int = 0
) -> Iterator[Samples]:
    """One frame each 20 ms, with what arrived until then."""
    waiting = sorted(packets, key=lambda sent: sent.arrives_s)
    for tick in range(count):
        while waiting and waiting[0].arrives_s <= tick * FRAME_S + 0.007:
            push(receiver, waiting.pop(0), first=first, timestamp=timestamp)
        yield receiver.pop()


def network(chance: random.Random, count: int, *, loss: float, jitter_s: float, pauses: bool) -> list[Sent]:
    """With packets lost, late, out of order, twice, and pauses in which nothing is sent."""
    sent, position = [], 0
    for number in range(count):
        position += 1 + (chance.randrange(30) if pauses and chance.random() < 0.05 else 0)
        for _ in range(chance.choice([1, 1, 1, 2])):
            if chance.random() >= loss:
                sent.append(Sent(number, position, position * FRAME_S + chance.uniform(0, jitter_s)))
    return sent


@relaxed
@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0, 0.6),
    jitter_s=st.floats(0, 0.3),
    pauses=st.booleans(),
    first=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 2**32 - 1),
)
def test_whatever_the_network_does_nothing_is_played_twice_and_little_waits(
    seed: int, loss: float, jitter_s: float, pauses: bool, first: int, timestamp: int
) -> None:
    decoder = NotingDecoder()
    receiver = VoiceReceiver(decoder)
    packets = network(random.Random(seed), 150, loss=loss, jitter_s=jitter_s, pauses=pauses)
    for frame in frames(receiver, packets, 500, first=first, timestamp=timestamp):
        assert frame.shape == (FRAME_SAMPLES,)
        assert frame.dtype == np.int16
        assert receiver.ahead <= MAX_WAITING_SAMPLES + 2 * FRAME_SAMPLES
    assert decoder.decoded == sorted(set(decoder.decoded))
    assert decoder.recovered == sorted(set(decoder.recovered))
    assert not set(decoder.decoded) & set(decoder.recovered)
    assert receiver.is_off


@relaxed
@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.binary(max_size=4)), max_size=200
    )
)
def test_hostile_packets_neither_grow_it_nor_break_it(packets: list[tuple[int, int, bytes]]) -> None:
    receiver = VoiceReceiver(OpusDecoder())
    for number, timestamp, payload in packets:
        receiver.push(payload, source="a", sequence_number=number, timestamp=timestamp)
        assert receiver.ahead <= 2 * MAX_WAITING_SAMPLES
        assert receiver.pop().shape == (FRAME_SAMPLES,)


@given(
    st.lists(st.integers(0, 60), max_size=200),
    st.integers(0, 0xFFFF),
)
def test_in_order_and_in_time_every_packet_is_played(gaps: list[int], first: int) -> None:
    """Pauses of the speaker are kept: numbers go on, timestamps jump."""
    decoder, position, packets = NotingDecoder(), 0, []
    for number, gap in enumerate(gaps):
        position += 1 + (gap if gap < 25 and number % 7 == 3 else 0)
        packets.append(Sent(number, position, position * FRAME_S))
    receiver = VoiceReceiver(decoder)
    for _ in frames(receiver, packets, position + 60, first=first):
        pass
    expected = list(range(len(packets))) if len(packets) > 1 else []
    assert decoder.decoded == expected
    assert not decoder.recovered
    assert receiver.packets_discarded == 0


@pytest.mark.parametrize("clock_error", [-100e-6, 100e-6])
def test_a_clock_that_drifts_by_100_ppm_neither_fills_nor_empties_it(clock_error: float) -> None:
    receiver = VoiceReceiver(NotingDecoder())
    packets = [Sent(n, n, n * FRAME_S * (1 + clock_error)) for n in range(15_000)]  # five minutes
    aheads = []
    for _ in frames(receiver, packets, 14_900):
        aheads.append(receiver.ahead)
    assert max(aheads[10:]) <= LEAST_AHEAD + FRAME_SAMPLES
    assert receiver.concealed_samples <= 2 * FRAME_SAMPLES
    assert receiver.packets_discarded == 0


def delays_after(packets: list[Sent], *, count: int) -> list[float]:
    """Milliseconds that wait after each frame."""
    receiver = VoiceReceiver(NotingDecoder())
    return [receiver.ahead / MS for _ in frames(receiver, packets, count)]


def test_one_lost_packet_leaves_the_delay_as_it_was() -> None:
    steady = [Sent(n, n, n * FRAME_S) for n in range(400)]
    delays = delays_after([sent for sent in steady if sent.number != 100], count=390)
    assert delays[90] <= 40
    assert max(delays[102:200]) <= delays[90]


def test_after_a_stall_of_200_ms_the_delay_is_back_within_two_seconds() -> None:
    stalled = [Sent(n, n, max(n * FRAME_S, 2.2) if n >= 100 else n * FRAME_S) for n in range(400)]
    delays = delays_after(stalled, count=390)
    assert max(delays[110:120]) > 150
    assert max(delays[110 + 100 :]) <= delays[90] + 12


def test_steady_jitter_makes_it_wait_longer_and_then_nothing_is_concealed() -> None:
    chance = random.Random(3)
    jittery = [Sent(n, n, n * FRAME_S + chance.uniform(0, 0.06)) for n in range(1000)]
    receiver = VoiceReceiver(NotingDecoder())
    seen = [(receiver.ahead / MS, receiver.concealed_samples) for _ in frames(receiver, jittery, 990)]
    assert np.median([ahead for ahead, _ in seen[500:]]) > 45
    assert seen[-1][1] - seen[200][1] <= 3 * FRAME_SAMPLES


def voice(count: int) -> Samples:
    """A buzz of 150 Hz with its harmonics, shape (count, 960)."""
    at = np.arange(count * FRAME_SAMPLES)
    phase = 2 * np.pi * 150 * at / 48_000
    wave = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (5000 * np.asarray(wave)).astype(np.int16).reshape(-1, FRAME_SAMPLES)


def longest_silence_ms(samples: Samples) -> int:
    longest = run = 0
    for is_silent in np.abs(samples.astype(int)).reshape(-1, MS).max(axis=1) < 30:
        run = run + 1 if is_silent else 0
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize("share", [0.03, 0.1])
def test_lost_packets_leave_no_silent_hole(share: float) -> None:
    encoder, chance, receiver, heard = OpusEncoder(), random.Random(5), VoiceReceiver(), []
    encoder.adapt(bitrate_bps=32_000, loss=share)
    for number, frame in enumerate(voice(1000)):
        payload = encoder.encode(frame)
        if chance.random() >= share:
            receiver.push(payload, source=1, sequence_number=number, timestamp=number * FRAME_SAMPLES)
        heard.append(receiver.pop())
    assert longest_silence_ms(np.concatenate(heard[5:])) <= 40
    assert receiver.concealment_events > 0


def test_a_lost_packet_is_recovered_from_the_next_one() -> None:
    """Of a tone that changes its pitch for one packet only, that packet is heard though it never came."""
    encoder, receiver, heard = OpusEncoder(), VoiceReceiver(), []
    encoder.adapt(bitrate_bps=32_000, loss=0.2)
    at = np.arange(FRAME_SAMPLES) / 48_000
    for number in range(60):
        hz = 900 if number == 30 else 300
        payload = encoder.encode((8000 * np.sin(2 * np.pi * hz * at)).astype(np.int16))
        if number != 30:
            receiver.push(payload, source=1, sequence_number=number, timestamp=number * FRAME_SAMPLES)
        heard.append(receiver.pop())
    samples = np.concatenate(heard)
    spectra = [np.abs(np.fft.rfft(part)) for part in samples.reshape(-1, FRAME_SAMPLES)]
    louder_at_900 = [number for number, spectrum in enumerate(spectra) if spectrum[18] > spectrum[6]]
    assert len(louder_at_900) == 1


def test_from_listening_along_to_playing_and_out_again_nothing_is_missing_or_said_twice() -> None:
    """As a listener moves from forwarded packets to the mix and back."""
    encoder, receiver, heard = OpusEncoder(), VoiceReceiver(), []
    wave = (12_000 * np.sin(2 * np.pi * 440 * np.arange(300 * FRAME_SAMPLES) / 48_000)).astype(np.int16)
    payloads = [encoder.encode(frame) for frame in wave.reshape(-1, FRAME_SAMPLES)]

    def give(to: Callable[..., Samples | None], number: int) -> Samples | None:
        return to(payloads[number], source=1, sequence_number=number, timestamp=number * FRAME_SAMPLES)

    for number in range(5):
        followed = give(receiver.follow, number)
        assert followed is not None
        heard.append(followed)
    for number in range(5, 300):
        receiver.is_draining = number > 150
        give(receiver.push, number)
        heard.append(receiver.pop())
        if receiver.is_draining and receiver.ahead <= 240:
            break
    samples = np.concatenate(heard)[2 * FRAME_SAMPLES :].astype(int)
    steepest = 12_000 * 2 * np.pi * 440 / 48_000
    assert np.abs(np.diff(samples)).max() < 1.15 * steepest
    assert np.abs(samples).reshape(-1, 2 * MS).max(axis=1).min() > 10_000
    assert receiver.concealed_samples == 0
    assert abs(samples.size - (number + 1 - 2) * FRAME_SAMPLES) <= 240
    assert number < 180


def test_a_pause_of_the_speaker_is_no_concealment() -> None:
    encoder, receiver = OpusEncoder(), VoiceReceiver()
    quiet = np.zeros(FRAME_SAMPLES, np.int16)
    sent_pause = False
    for number, frame in enumerate([*voice(50), *[quiet] * 15]):
        payload = encoder.encode(frame)
        if not sent_pause:
            receiver.push(payload, source=1, sequence_number=number, timestamp=number * FRAME_SAMPLES)
        sent_pause = sent_pause or len(payload) <= DTX_MAX_BYTES
        receiver.pop()
    assert sent_pause
    for _ in range(10):
        receiver.pop()
    assert receiver.concealed_samples == 0


def test_a_voice_that_ended_is_off_and_begins_anew() -> None:
    decoder = NotingDecoder()
    receiver = VoiceReceiver(decoder)
    for _ in frames(receiver, [Sent(n, n, n * FRAME_S) for n in range(20)], 100):
        pass
    assert receiver.is_off
    again = [Sent(n, n, n * FRAME_S - 0.4) for n in range(20, 40)]
    heard = np.concatenate(list(frames(receiver, again, 30)))
    assert decoder.decoded == list(range(40))
    assert (heard == 1000).sum() == 20 * FRAME_SAMPLES


def test_another_source_takes_over_at_once() -> None:
    decoder = NotingDecoder()
    receiver = VoiceReceiver(decoder)
    for source in ("a", "b"):
        for number in range(10):
            receiver.push(payload_of(number), source=source, sequence_number=number, timestamp=number * 960)
            receiver.pop()
    assert decoder.decoded == [*range(9), *range(9)]
