"""Where the recordings of a call lie on its clock, and for how long each of them counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from calls.models import Call, Recording, RecordingState
from calls.quality.breaks import Break, breaks_of

CLOCK_TRUST_S = 60.0


@dataclass(frozen=True)
class Part:
    """Where a recording lies on the call's clock. `most_s`: what of it counts, since while a call moves, two workers
    hear the same person; None is all."""

    recording: Recording
    offset_s: float
    most_s: float | None


def recording_parts(recordings: Iterable[Recording]) -> list[Part]:
    """Those of one call that have a beginning, in the order of time. Each lasts until its participant's next one
    begins. The clock begins with the call, or with the first file, which may be a moment before."""
    known = [(r.started_at, r) for r in recordings if r.started_at]
    known.sort(key=lambda item: (item[0], item[1].part))
    late_s = _late_s(known[0][1]) if known else None
    lead_s = max(0.0, late_s or 0.0)
    begins: dict[int, list[datetime]] = {}
    for started_at, recording in known:
        begins.setdefault(recording.participant_id, []).append(started_at)
    parts = []
    for started_at, recording in known:
        following = begins[recording.participant_id][1:]
        begins[recording.participant_id] = following
        most_s = (following[0] - started_at).total_seconds() if following else None
        parts.append(Part(recording, lead_s + (started_at - known[0][0]).total_seconds(), most_s))
    return parts


def recording_breaks(call: Call) -> list[Break]:
    """Where nobody is heard since the hub failed, on the clock of `recording_parts`."""
    finished = Recording.objects.filter(call=call, state=RecordingState.FINISHED, started_at__isnull=False)
    first = finished.select_related("call").order_by("started_at", "part").first()
    late_s = _late_s(first) if first else None
    lead_s = max(0.0, -(late_s or 0.0))
    return [replace(one, at_s=one.at_s + lead_s) for one in breaks_of(call) if one.lasted_s > 0]


def recording_length_s(first: Recording) -> float:
    """As long as the call; 0 where a clock was set, so that nobody can say.

    What of the files was before the row said that it began is cut from the end, where nobody speaks any more.
    """
    return 0.0 if _late_s(first) is None else first.call.duration_s


def _late_s(first: Recording) -> float | None:
    """By how much the first file began after its call; None where a clock was set, so that nobody can say."""
    if not first.call.connected_at or not first.started_at:
        return None
    late_s = (first.started_at - first.call.connected_at).total_seconds()
    return late_s if abs(late_s) < CLOCK_TRUST_S else None
