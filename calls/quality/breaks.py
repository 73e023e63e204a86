"""Times in which the hub itself carried no sound, and what of the measurements they explain."""

from dataclasses import dataclass

from calls.models import Call, CallBreak
from common.clock import now

# A worker that hangs is found after 2 s, and the seconds of an end may stand up to 2 s too early
# (calls.quality.measurements.EARLY_S).
LEAD_S = 5.0
TAIL_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Break:
    """On the clock of the call."""

    at_s: float
    lasted_s: float

    @property
    def length(self) -> str:
        """In words, as people count."""
        seconds = round(self.lasted_s)
        if not seconds:
            return "a moment"
        return "1 second" if seconds == 1 else f"{seconds} seconds"

    def explains(self, at_s: float) -> bool:
        """Whether it may be the cause of what went wrong in the second that began then."""
        return self.at_s - LEAD_S <= at_s <= self.at_s + self.lasted_s + TAIL_S


def breaks_of(call: Call) -> list[Break]:
    """In the order of time. One that is not over lasts until now, or until the end of the call."""
    if call.connected_at is None:
        return []
    found, end = [], call.ended_at or now()
    for row in CallBreak.objects.filter(call=call).order_by("began_at"):
        until = min(row.ended_at or end, end)
        at_s = (row.began_at - call.connected_at).total_seconds()
        found.append(Break(at_s=at_s, lasted_s=max(0.0, (until - row.began_at).total_seconds())))
    return found
