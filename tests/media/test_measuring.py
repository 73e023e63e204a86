"""A sample a second of each leg, told by the minute; the quality told when it changes."""

from dataclasses import replace
from uuid import uuid4

import pytest
from prometheus_client import generate_latest

from media import metrics
from media.connection import guard
from media.stats import LegMeter, LegStats
from media.worker import MediaWorker
from protocol.quality import Bars
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer

pytestmark = pytest.mark.unit


def after(seconds: int, *, lost: int = 0, jitter_s: float = 0.001) -> LegStats:
    """The counters of a steady microphone."""
    return LegStats(
        packets_received=50 * seconds,
        packets_lost=lost,
        bytes_received=4000 * seconds,
        jitter_s=jitter_s,
        round_trip_time_s=0.03,
        path="host srflx udp",
    )


def test_a_sample_holds_what_one_second_brought() -> None:
    meter = LegMeter()
    meter.take(after(1), unix_s=101.0)
    sample = meter.take(after(2, lost=3), unix_s=102.0)
    assert (sample.packets_received, sample.packets_lost, sample.bytes_received) == (50, 3, 4000)
    measured = meter.harvest()
    assert measured is not None
    assert (measured.started_at_s, len(measured.samples), measured.path) == (100.0, 2, "host srflx udp")
    assert meter.harvest() is None


def test_the_newest_measure_of_the_echo_is_told() -> None:
    meter = LegMeter()
    for second, removed in enumerate((None, 20.0, 31.5, None), 1):
        meter.take(replace(after(second), echo_return_loss_enhancement=removed), unix_s=float(second))
    measured = meter.harvest()
    assert measured is not None
    assert measured.echo_return_loss_enhancement == 31.5


def test_a_new_connection_counts_from_zero_and_a_late_packet_takes_nothing_back() -> None:
    meter = LegMeter()
    meter.take(after(60, lost=10), unix_s=60.0)
    late = meter.take(after(61, lost=8), unix_s=61.0)
    assert late.packets_lost == 0
    renewed = meter.take(after(1), unix_s=62.0)
    assert (renewed.packets_received, renewed.packets_lost) == (50, 0)


def test_the_quality_is_told_when_it_is_steady_and_new() -> None:
    meter = LegMeter()
    told = []
    for second in range(1, 30):
        lost = max(0, second - 10) * 10
        meter.take(after(second, lost=lost), unix_s=float(second))
        judged = meter.judge(is_lost=False)
        if judged is not None:
            told.append((second, judged.bars))
    assert told[0] == (2, Bars.VERY_GOOD)
    assert told[-1][1] is Bars.POOR
    assert [bars for _, bars in told] == sorted({bars for _, bars in told}, reverse=True)


def test_a_lost_leg_is_told_at_once_and_only_once() -> None:
    meter = LegMeter()
    meter.take(after(1), unix_s=1.0)
    first = meter.judge(is_lost=True)
    assert first is not None
    assert first.bars is Bars.LOST
    meter.take(after(1), unix_s=2.0)
    assert meter.judge(is_lost=True) is None


async def test_both_legs_of_a_call_are_measured_and_told_at_their_end(
    worker: MediaWorker, door: FakeDoor
) -> None:
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door, frequency_hz=1000) as ben:
        await anna.connect(call_id=call_id, recording_name="anna.opus")
        await ben.connect(call_id=call_id, recording_name="ben.opus")
        judged = await door.wait_for("leg_judged", timeout_s=15.0)
        assert judged.judged.bars is Bars.VERY_GOOD
    legs = {anna.participant_id, ben.participant_id}
    await door.wait_for(
        "leg_measured", lambda _: {t.participant_id for t in door.all("leg_measured")} == legs
    )
    told = {told.participant_id: told.measured for told in door.all("leg_measured")}
    for measured in told.values():
        assert (measured.codec, measured.path) == ("audio/opus", "host host udp")
        packets = [sample.packets_received for sample in measured.samples]
        assert sum(packets) > 40
        assert max(packets) < 200
        assert sum(sample.bytes_received for sample in measured.samples) > 10 * sum(packets)


def test_a_silent_end_is_no_measurement_after_a_move() -> None:
    meter = LegMeter()
    for second, packets in enumerate((1, 2, 2, 2), start=1):
        meter.take(after(packets), unix_s=float(second))
    measured = meter.harvest(with_silent_end=False)
    assert measured is not None
    assert [sample.packets_received for sample in measured.samples] == [50, 50]


def test_the_worker_counts_for_prometheus() -> None:
    before = metrics.PACKETS_RECEIVED._value.get()
    metrics.count(LegMeter().take(after(1), unix_s=1.0))
    guard.counters.datagrams_dropped += 1
    text = generate_latest().decode()
    assert f"hearthline_media_packets_received_total {before + 50}" in text
    assert (
        f'hearthline_media_guard_drops_total{{what="datagrams"}} {guard.counters.datagrams_dropped}' in text
    )
    assert "hearthline_media_loop_lag_seconds_bucket" in text
