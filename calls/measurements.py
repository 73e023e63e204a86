"""What both sides of a leg measured, kept as rows of a minute; and how good each end is, told when it changes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from redis.exceptions import RedisError

from calls.breaks import breaks_of
from calls.models import Call, CallParticipant, LegStatistics, Measurer, ParticipantRole
from calls.pushes import call_push
from common.clock import now
from common.redis import redis_hasty
from protocol.messages import CallQuality, CallState, EndQuality, Stats
from protocol.quality import (
    SAMPLES_PER_S,
    Bars,
    StatsSample,
    fraction_lost,
    window_bars,
    word_for,
)

ROW_S = 60
LATE_S = 10.0  # an end may report this long after its call ended
EARLY_S = 2.0  # clocks run and messages bunch a little
QUALITY_KEPT_S = 3600
_MOST = 32_767
_PREFIX = "call:quality:"


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
        bars = window_bars(samples, lost_elsewhere=_lost_by_others(leg))
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


# --- quality while the call lasts ------------------------------------------------------------


def quality_tell(*, leg: CallParticipant, measurer: Measurer, bars: Bars | None, lost: float) -> None:
    """Remember what one side says of this end, and push the bars of all ends when they changed.

    Without Redis nobody is told, and nothing else suffers.
    """
    try:
        changed = _remember(leg, measurer, bars, lost)
    except RedisError:
        return
    if Call.objects.filter(pk=leg.call.pk, state=CallState.ENDED).exists():
        quality_forget(leg.call)  # it ended meanwhile, and its bars may have been forgotten before these came
    elif changed is not None:
        call_push(leg.call, changed)


def quality_forget(call: Call) -> None:
    """The call is over. Without Redis the bars go by themselves, in an hour."""
    try:
        redis_hasty().delete(_key(call))
    except RedisError:
        return


def quality_get(call: Call) -> CallQuality | None:
    """The bars as they are now. None: nothing is known yet."""
    try:
        known = _known(call)
    except RedisError:
        return None
    message = _message(call, known)
    return message if message.ends else None


def _remember(leg: CallParticipant, measurer: Measurer, bars: Bars | None, lost: float) -> CallQuality | None:
    redis, key = redis_hasty(), _key(leg.call)
    before = _message(leg.call, _known(leg.call))
    redis.hset(key, f"{leg.role} {measurer}", json.dumps([bars, round(lost, 4)]))
    redis.expire(key, QUALITY_KEPT_S)
    after = _message(leg.call, _known(leg.call))
    return after if after != before else None


def _known(call: Call) -> dict[str, str]:
    return {str(name): str(value) for name, value in redis_hasty().hgetall(_key(call)).items()}


def _message(call: Call, known: dict[str, str]) -> CallQuality:
    """Each end is as good as the worse of its two directions."""
    ends = []
    for role in (ParticipantRole.CALLER, ParticipantRole.CALLEE):
        said = [json.loads(known[name])[0] for side in Measurer if (name := f"{role} {side}") in known]
        bars = [Bars(number) for number in said if number is not None]
        if bars:
            ends.append(EndQuality(role=role.value, bars=min(bars), quality=word_for(min(bars))))
    return CallQuality(call_id=call.public_id, ends=ends)


def _lost_by_others(leg: CallParticipant) -> float:
    """What the hub missed of the other end: in a forwarded call this end misses it too, and is not the cause."""
    other = ParticipantRole.CALLEE if leg.role == ParticipantRole.CALLER else ParticipantRole.CALLER
    try:
        said = redis_hasty().hget(_key(leg.call), f"{other} {Measurer.HUB}")
    except RedisError:
        return 0.0
    return float(json.loads(str(said))[1]) if said else 0.0


def _key(call: Call) -> str:
    return f"{_PREFIX}{call.public_id}"
