"""What both sides of a leg measured, kept as rows of a minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from calls.models import Call, CallParticipant, LegStatistics, Measurer
from calls.quality.breaks import breaks_of
from calls.quality.live import lost_by_others, quality_tell
from common.clock import now
from protocol.messages.statistics import Stats
from protocol.quality import (
    SAMPLES_PER_S,
    Bars,
    StatsSample,
    fraction_lost,
    window_bars,
)

ROW_S = 60
LATE_S = 10.0  # an end may report this long after its call ended
EARLY_S = 2.0  # clocks run and messages bunch a little
_MOST = 32_767


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a leg is connected: codec, and the selected candidate pair without its addresses."""

    codec: str = ""
    path: str = ""

    @classmethod
    def of(cls, stats: Stats) -> "Way":
        parts = (stats.local_candidate_type, stats.remote_candidate_type, stats.protocol)
        return cls(
            codec=stats.codec or "", path=" ".join(part or "?" for part in parts) if any(parts) else ""
        )


def stats_of_end(*, leg: CallParticipant, stats: Stats) -> None:
    """An end tells what it received. What comes before the call, long after it, or faster than time is dropped."""
    call, moment = leg.call, now()
    if call.connected_at is None or not stats.samples:
        return
    if call.ended_at is not None and (moment - call.ended_at).total_seconds() > LATE_S:
        return
    started_at = max(call.connected_at, moment - timedelta(seconds=len(stats.samples)))
    samples_store(
        leg=leg, measurer=Measurer.END, started_at=started_at, samples=stats.samples, way=Way.of(stats)
    )
    if call.is_live:
        samples = _own_of(call, stats.samples, started_at)
        bars = window_bars(samples, lost_elsewhere=lost_by_others(leg))
        quality_tell(leg=leg, measurer=Measurer.END, bars=bars, lost=fraction_lost(samples))


def _own_of(call: Call, samples: Sequence[StatsSample], started_at: datetime) -> list[StatsSample]:
    """Without the bad ones for which a failure of the hub itself is the reason."""
    is_bad = [(window_bars([sample]) or Bars.LOST) < Bars.GOOD for sample in samples]
    if call.connected_at is None or not any(is_bad):
        return list(samples)
    begin_s, breaks = (started_at - call.connected_at).total_seconds(), breaks_of(call)
    return [
        sample
        for i, sample in enumerate(samples)
        if not is_bad[i] or not any(one.explains(begin_s + i) for one in breaks)
    ]


def samples_store(
    *,
    leg: CallParticipant,
    measurer: Measurer,
    started_at: datetime,
    samples: Sequence[StatsSample],
    way: Way,
) -> int:
    """Keep a sample a second from `started_at` on, after those that are there. Returns how many were kept.

    No second is kept twice, so a leg fills at most 60 values a minute, whatever its end sends.
    """
    with transaction.atomic():
        CallParticipant.objects.select_for_update().get(pk=leg.pk)  # two sockets may speak for one leg
        rows = LegStatistics.objects.filter(participant=leg, measurer=measurer)
        row = rows.order_by("-started_at").first()
        free_at = row.started_at + timedelta(seconds=row.second_count) if row is not None else started_at
        if (free_at - started_at).total_seconds() > EARLY_S:
            samples = samples[round((free_at - started_at).total_seconds()) :]
            started_at = free_at
        kept = 0
        while kept < len(samples):
            row = _row_for(row, leg, measurer, started_at + timedelta(seconds=kept))
            part = samples[kept : kept + ROW_S - row.second_count]
            _append(row, part, way)
            kept += len(part)
    return kept


def _row_for(
    row: LegStatistics | None, leg: CallParticipant, measurer: Measurer, at: datetime
) -> LegStatistics:
    """The row that goes on at this second, or a new one after a gap or a full minute."""
    if row is not None:
        free_at = row.started_at + timedelta(seconds=row.second_count)
        if abs((at - free_at).total_seconds()) <= EARLY_S:
            if row.second_count < ROW_S:
                return row
            at = free_at
    return LegStatistics(household_id=leg.household_id, participant=leg, measurer=measurer, started_at=at)


def _append(row: LegStatistics, samples: Sequence[StatsSample], way: Way) -> None:
    columns: dict[str, list[int | None]] = {
        "packets_received": [_small(s.packets_received) for s in samples],
        "packets_lost": [_small(s.packets_lost) for s in samples],
        "bytes_received": [_small(s.bytes_received) for s in samples],
        "jitter_tenth_ms": [_small(s.jitter_s, 10_000) for s in samples],
        "round_trip_time_ms": [_small(s.round_trip_time_s, 1000) for s in samples],
    }
    if row.measurer == Measurer.END:
        columns["concealed_ms"] = [_small(_concealed(s), 1000 / SAMPLES_PER_S) for s in samples]
        columns["concealment_events"] = [_small(s.concealment_events) for s in samples]
        columns["audio_level_thousandth"] = [_small(s.audio_level, 1000) for s in samples]
    for name, values in columns.items():
        setattr(row, name, getattr(row, name) + values)
    row.codec, row.path = way.codec or row.codec, way.path or row.path
    row.save()


def _concealed(sample: StatsSample) -> int | None:
    if sample.concealed_samples is None:
        return None
    return max(0, sample.concealed_samples - (sample.silent_concealed_samples or 0))


def _small(value: float | None, factor: float = 1) -> int | None:
    return None if value is None else min(_MOST, round(value * factor))
