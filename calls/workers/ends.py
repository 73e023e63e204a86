"""Which ends of a call are heard, as its worker says again and again; and when an end is gone for good."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django_scopes import scope

from calls.ending.services import call_lost_reason
from calls.models import Call, CallParticipant
from calls.services import call_leg_joined, call_leg_lost
from common.clock import now
from protocol.messages.calls import CallState

# After a move both ends are heard at the new worker within two seconds or so.
MOVED_GRACE = timedelta(seconds=5)
# An end gives up after 45 s without a connection. With the time to notice (8 s where the microphone is off) and the
# pause between two sweeps the other end is told within a minute.
GONE_AFTER = timedelta(seconds=46)


def legs_heard(*, worker_id: str, heard: Mapping[UUID, bool]) -> None:
    """What the worker hears of its calls now: rows that missed a word of it catch up. `heard`: by participant.

    An end that has no leg there, although its call has, is away. Needs the rows of all households, and changes each in
    its own.
    """
    legs = CallParticipant.objects.filter(
        call__in=Call.objects.filter(participants__public_id__in=heard),
        call__worker_id=worker_id,
        call__state=CallState.CONNECTED,
    ).select_related("call__device", "call__household")
    for leg in legs:
        with scope(household=leg.call.household):
            _leg_catch_up(leg, worker_id, is_heard=heard.get(leg.public_id, False))


def call_gone_reason(call: Call, moment: datetime) -> str | None:
    """Why a connected call has to end: one of its ends was away for longer than it can come back. Else None."""
    if call.state != CallState.CONNECTED:
        return None
    since = [(_away_since(leg), leg) for leg in call.participants.order_by("role")]
    gone = [(at, leg) for at, leg in since if at is not None and at + GONE_AFTER < moment]
    return call_lost_reason(min(gone, key=lambda one: one[0])[1]) if gone else None


def _leg_catch_up(leg: CallParticipant, worker_id: str, *, is_heard: bool) -> None:
    if is_heard:
        if leg.lost_at or leg.awaited_at:
            call_leg_joined(leg=leg, worker_id=worker_id)
    elif leg.lost_at is None and not _is_on_its_way(leg):
        call_leg_lost(leg=leg, worker_id=worker_id)


def _is_on_its_way(leg: CallParticipant) -> bool:
    return leg.awaited_at is not None and leg.awaited_at + MOVED_GRACE > now()


def _away_since(leg: CallParticipant) -> datetime | None:
    return min((at for at in (leg.lost_at, leg.awaited_at) if at is not None), default=None)
