"""What both sides of a leg measured: kept by the minute, bounded, small, and gone with the call."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from calls.models import Call, CallBreak, CallParticipant, LegStatistics, Measurer
from calls.quality import live
from calls.quality.live import quality_get, quality_tell
from calls.quality.measurements import Way, samples_store, stats_of_end
from calls.services import call_start
from common.clock import now
from protocol.messages.statistics import Stats
from protocol.quality import Bars, StatsSample
from tests.plugin_cast import Cast, device_go_online

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

WAY = Way(codec="audio/opus", path="host srflx udp")
BUSY = StatsSample(
    packets_received=50,
    packets_lost=1,
    bytes_received=5000,
    jitter_s=0.0042,
    round_trip_time_s=0.031,
    total_samples_received=48_000,
    concealed_samples=960,
    silent_concealed_samples=480,
    concealment_events=1,
    audio_level=0.25,
)


@pytest.fixture
def leg(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[CallParticipant]:
    """Anna's end of a call that is connected for a minute."""
    monkeypatch.setattr("calls.services.worker_choose", lambda: "w")
    with scopes_disabled():
        device_go_online(cast.kitchen)
        call = call_start(membership=cast.anna, device=cast.kitchen)
        Call.objects.update(state="connected", connected_at=now() - timedelta(minutes=1))
        yield call.participants.select_related("call__household", "call__device").get(role="caller")


def other_of(leg: CallParticipant) -> CallParticipant:
    return CallParticipant.objects.select_related("call__household").exclude(pk=leg.pk).get()


def stats(leg: CallParticipant, *samples: StatsSample) -> Stats:
    return Stats(
        call_id=leg.call.public_id,
        samples=list(samples),
        codec="audio/opus",
        local_candidate_type="host",
        remote_candidate_type="relay",
        protocol="udp",
    )


def test_a_batch_becomes_values_of_a_row_in_small_units(leg: CallParticipant) -> None:
    stats_of_end(leg=leg, stats=stats(leg, BUSY, StatsSample(packets_received=49)))
    row = LegStatistics.objects.get()
    assert (row.measurer, row.codec, row.path) == ("end", "audio/opus", "host relay udp")
    assert (row.packets_received, row.packets_lost, row.bytes_received) == ([50, 49], [1, 0], [5000, 0])
    assert (row.jitter_tenth_ms, row.round_trip_time_ms) == ([42, None], [31, None])
    assert (row.concealed_ms, row.concealment_events) == ([10, None], [1, None])
    assert row.audio_level_thousandth == [250, None]
    assert abs((now() - row.started_at).total_seconds() - 2) < 1


def test_seconds_follow_each_other_in_rows_of_a_minute(leg: CallParticipant) -> None:
    begin = now()
    for batch in range(30):
        at = begin + timedelta(seconds=5 * batch, milliseconds=300 * (-1) ** batch)
        kept = samples_store(leg=leg, measurer=Measurer.END, started_at=at, samples=[BUSY] * 5, way=WAY)
        assert kept == 5
    rows = LegStatistics.objects.order_by("started_at")
    assert [row.second_count for row in rows] == [60, 60, 30]
    assert [round((row.started_at - begin).total_seconds()) for row in rows] == [0, 60, 120]


def test_a_gap_begins_a_new_row(leg: CallParticipant) -> None:
    begin = now()
    for at_s in (0, 20):
        at = begin + timedelta(seconds=at_s)
        samples_store(leg=leg, measurer=Measurer.HUB, started_at=at, samples=[BUSY] * 5, way=WAY)
    rows = LegStatistics.objects.order_by("started_at")
    assert [round((row.started_at - begin).total_seconds()) for row in rows] == [0, 20]
    assert [row.concealed_ms for row in rows] == [[], []]


def test_an_end_cannot_fill_the_table(leg: CallParticipant) -> None:
    for _ in range(200):
        stats_of_end(leg=leg, stats=stats(leg, *[BUSY] * 15))
    kept = sum(row.second_count for row in LegStatistics.objects.all())
    assert 15 <= kept <= 25
    assert LegStatistics.objects.count() == 1


@pytest.mark.parametrize(
    ("connected_at", "ended_at"),
    [(None, None), (now() - timedelta(minutes=5), now() - timedelta(minutes=1))],
)
def test_what_belongs_to_no_live_call_is_dropped(
    leg: CallParticipant, connected_at: datetime | None, ended_at: datetime | None
) -> None:
    leg.call.connected_at, leg.call.ended_at = connected_at, ended_at
    stats_of_end(leg=leg, stats=stats(leg, BUSY))
    assert not LegStatistics.objects.exists()


def test_ten_minutes_of_a_call_take_less_than_50_kb_and_go_with_it(leg: CallParticipant) -> None:
    begin = now()
    for one in (leg, other_of(leg)):
        for batch in range(120):
            at = begin + timedelta(seconds=5 * batch)
            samples_store(leg=one, measurer=Measurer.END, started_at=at, samples=[BUSY] * 5, way=WAY)
        for minute in range(10):
            at = begin + timedelta(minutes=minute)
            samples_store(leg=one, measurer=Measurer.HUB, started_at=at, samples=[BUSY] * 60, way=WAY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(pg_column_size(s.*)) FROM calls_legstatistics s")
        row_count, size_bytes = cursor.fetchone()
    assert row_count == 40
    assert size_bytes < 50_000
    leg.call.delete()
    assert not LegStatistics.objects.exists()


def test_the_bars_of_both_ends_are_told_when_they_change(
    leg: CallParticipant, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[tuple[str, int, str]]] = []

    def hear(call: Call, message: object) -> None:
        ends = message.ends  # type: ignore[attr-defined]
        told.append([(end.role, end.bars, end.quality.value) for end in ends])

    monkeypatch.setattr(live, "call_push", hear)
    stats_of_end(leg=leg, stats=stats(leg, *[BUSY] * 5))
    stats_of_end(leg=leg, stats=stats(leg, *[BUSY] * 5))
    assert told == [[("caller", 3, "good")]]
    quality_tell(leg=leg, measurer=Measurer.HUB, bars=Bars.WEAK, lost=0.04)
    quality_tell(leg=other_of(leg), measurer=Measurer.HUB, bars=Bars.LOST, lost=0.0)
    assert told[1:] == [[("caller", 2, "weak")], [("caller", 2, "weak"), ("callee", 0, "lost")]]
    known = quality_get(leg.call)
    assert known is not None
    assert [end.bars for end in known.ends] == [2, 0]


def test_what_comes_after_the_end_of_a_call_leaves_no_bars_behind(
    leg: CallParticipant, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(live, "call_push", lambda *one: told.append(one))
    Call.objects.update(state="ended", outcome="answered")  # which the sender does not know yet
    quality_tell(leg=leg, measurer=Measurer.HUB, bars=Bars.WEAK, lost=0.04)
    assert (quality_get(leg.call), told) == (None, [])


def test_what_the_hub_missed_of_the_other_end_is_not_blamed_on_this_one(leg: CallParticipant) -> None:
    gaps = BUSY.model_copy(update={"packets_received": 45, "packets_lost": 5, "concealed_samples": 0})
    quality_tell(leg=other_of(leg), measurer=Measurer.HUB, bars=Bars.POOR, lost=0.1)
    stats_of_end(leg=leg, stats=stats(leg, *[gaps] * 5))
    known = quality_get(leg.call)
    assert known is not None
    assert {end.role: end.bars for end in known.ends} == {"caller": 4, "callee": 1}


def bars_of(leg: CallParticipant) -> dict[str, int]:
    known = quality_get(leg.call)
    return {end.role: end.bars for end in known.ends} if known else {}


@pytest.mark.parametrize("is_over", [True, False], ids=["over", "still going on"])
def test_bad_seconds_around_a_failure_of_the_hub_are_no_reason_to_blame_an_end(
    leg: CallParticipant, is_over: bool
) -> None:
    silent = BUSY.model_copy(update={"packets_received": 0, "concealed_samples": 48_000})
    CallBreak.objects.create(
        household=leg.household,
        call=leg.call,
        began_at=now() - timedelta(seconds=4),
        ended_at=now() - timedelta(seconds=3.4) if is_over else None,
    )
    clean = BUSY.model_copy(update={"packets_lost": 0, "concealed_samples": 0})
    stats_of_end(leg=leg, stats=stats(leg, clean, silent, clean, clean, clean))
    assert bars_of(leg) == {"caller": 4}
    assert LegStatistics.objects.get().packets_received == [50, 0, 50, 50, 50]


def test_what_is_bad_some_seconds_after_a_failure_of_the_hub_is_said(leg: CallParticipant) -> None:
    began_at = now() - timedelta(seconds=10)
    ended_at = began_at + timedelta(seconds=1)
    CallBreak.objects.create(household=leg.household, call=leg.call, began_at=began_at, ended_at=ended_at)
    gaps = BUSY.model_copy(update={"packets_received": 40, "packets_lost": 10})
    stats_of_end(leg=leg, stats=stats(leg, *[gaps] * 5))
    assert bars_of(leg) == {"caller": 1}
