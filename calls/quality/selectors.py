"""How the connection of a call was, afterwards, from the rows of what was measured.

An end's connection has two directions. What it sent is counted at the hub, what it received at the end itself; of
that, what the hub had already missed of the other end is taken off, since a forwarded gap is not this end's fault.
Nor is what went wrong around a failure of the hub itself: such a second counts as not measured.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from calls.models import Call, CallParticipant, LegStatistics, Measurer, ParticipantRole
from calls.quality.breaks import Break, breaks_of
from calls.quality.connection import Connection, End
from calls.quality.windows import Second, share_lost, window_of
from households.models import User

WINDOW_S = 2.0
WINDOWS_MOST = 120


def call_connection(call: Call, reader: User | None = None) -> Connection | None:
    """None while the call lasts, when it was never connected, and when nothing was measured.

    To its `reader` it says "you".
    """
    if not call.connected_at or not call.ended_at:
        return None
    rows = list(
        LegStatistics.objects.filter(participant__call=call)
        .select_related("participant")
        .order_by("started_at")
    )
    if not rows:
        return None
    window_s = max(WINDOW_S, call.duration_s / WINDOWS_MOST)
    count = min(WINDOWS_MOST, max(1, int(call.duration_s / WINDOW_S)))
    legs = CallParticipant.objects.filter(call=call).select_related("call")
    participants = list(legs.order_by("-role"))  # the caller first
    by_leg = {p.pk: [row for row in rows if row.participant_id == p.pk] for p in participants}
    breaks = breaks_of(call)
    sent = {
        pk: _cut(_seconds(call, of_leg, Measurer.HUB, breaks), window_s, count)
        for pk, of_leg in by_leg.items()
    }
    ends = [_end(p, by_leg[p.pk], sent, breaks, window_s=window_s) for p in participants]
    if reader is not None and call.started_by_id == reader.pk:
        ends = [replace(end, is_reader=end.role == ParticipantRole.CALLER) for end in ends]
    return Connection(duration_s=call.duration_s, window_s=window_s, ends=ends, breaks=breaks)


def _end(
    participant: CallParticipant,
    rows: Sequence[LegStatistics],
    sent: dict[int, list[list[Second]]],
    breaks: Sequence[Break],
    *,
    window_s: float,
) -> End:
    up = sent[participant.pk]
    others = [windows for pk, windows in sent.items() if pk != participant.pk]
    down = _cut(_seconds(participant.call, rows, Measurer.END, breaks), window_s, len(up))
    windows = [
        window_of(up[i], down[i], lost_elsewhere=max((share_lost(each[i]) for each in others), default=0.0))
        for i in range(len(up))
    ]
    last = rows[-1] if rows else None
    return End(
        name=participant.display_name,
        role=participant.role,
        windows=windows,
        second_count=max(sum(map(len, way)) for way in (up, down)),
        codec=next((row.codec for row in reversed(rows) if row.codec), "") if last else "",
        path=next((row.path for row in reversed(rows) if row.path), "") if last else "",
    )


def _seconds(
    call: Call, rows: Iterable[LegStatistics], measurer: Measurer, breaks: Sequence[Break]
) -> list[Second]:
    """Of one direction, but for the bad ones that the hub is to blame for."""
    if call.connected_at is None:
        return []
    found: list[Second] = []
    for row in rows:
        if row.measurer == measurer:
            begin_s = (row.started_at - call.connected_at).total_seconds()
            found += [_second(row, i, begin_s + i) for i in range(row.second_count)]
    return [
        second for second in found if second.is_good or not any(one.explains(second.at_s) for one in breaks)
    ]


def _second(row: LegStatistics, i: int, at_s: float) -> Second:
    jitter, concealed = row.jitter_tenth_ms[i], row.concealed_ms[i] if row.concealed_ms else None
    return Second(
        at_s=at_s,
        received=row.packets_received[i] or 0,
        lost=row.packets_lost[i] or 0,
        concealed_ms=concealed or 0,
        jitter_ms=None if jitter is None else jitter / 10,
        round_trip_ms=row.round_trip_time_ms[i],
    )


def _cut(seconds: Iterable[Second], window_s: float, count: int) -> list[list[Second]]:
    """What is left over at the end of the call belongs to the last window."""
    windows: list[list[Second]] = [[] for _ in range(count)]
    for second in seconds:
        index = int(second.at_s / window_s)
        if second.at_s >= 0 and index <= count:
            windows[min(index, count - 1)].append(second)
    return windows
