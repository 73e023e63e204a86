"""How a call ends: by whose word, when, and why. Every one goes through calls.state."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, Q, Value, When
from django_scopes import scope

from calls.events import call_ended
from calls.models import Call, CallParticipant, ParticipantRole
from calls.pushes import call_reason, call_tell
from calls.selectors import call_live_for_device
from calls.state import call_move
from common.clock import now
from common.push import group_worker, push_on_commit
from devices.models import Device
from protocol.messages.calls import HUNG_UP, LOST_FOR_GOOD, CallEnd, CallOutcome, CallState
from protocol.worker import CallClose

# A worker calls an end lost that it has not heard for so long (media.leg.Limits.quiet_after_s).
SILENCE_NOTICED = timedelta(seconds=8)
# Whoever hangs up before the sound was due cancelled the call; later, it had failed.
SOUND_WITHIN = timedelta(seconds=5)
# A connection that closes may be heard of before the word why it was closed, or that word comes from the next page.
EXPLAINED_WITHIN = timedelta(seconds=30)


def call_leg_left(*, leg: CallParticipant, reason: str, worker_id: str) -> None:
    """The worker gave this end up, as long as the call is with it."""
    if leg.call.worker_id != worker_id:
        return
    CallParticipant.objects.filter(pk=leg.pk, left_at=None).update(left_at=now())
    call_end(call=leg.call, reason=reason, by=leg, explains=False)


def call_decline(*, call: Call, outcome: CallOutcome) -> None:
    if call.accepted_at:  # too late to decline: it is a hang-up
        call_end(call=call, by=call.participants.get(role=ParticipantRole.CALLEE))
        return
    words = "is busy" if outcome == CallOutcome.BUSY else "declined the call"
    _end(call, outcome=outcome, reason=f"{call.device.name} {words}.")


def call_end(
    *,
    call: Call,
    reason: str = "",
    by: CallParticipant | None = None,
    ago_s: float = 0.0,
    explains: bool = True,
) -> None:
    """Hang up, or give up, `ago_s` seconds ago by the word of that end. Ending twice is the same as ending once.

    `explains`: the reason counts, too, where the call passed for hung up a moment ago. A worker that closes what is
    over has nothing to explain.
    """
    if by is not None and reason == LOST_FOR_GOOD:
        reason = call_lost_reason(by)
    hung_up_by = by.role if by is not None and reason in ("", HUNG_UP) else ""
    ended_at = call_hung_up_at(by, ago_s) if by is not None and ago_s else None
    if call.connected_at:
        outcome = CallOutcome.ANSWERED
    elif call.accepted_at:
        is_early = hung_up_by and (ended_at or now()) - call.accepted_at < SOUND_WITHIN
        outcome = CallOutcome.CANCELLED if is_early else CallOutcome.FAILED
    elif by is not None and by.role == ParticipantRole.CALLEE:
        outcome = CallOutcome.DECLINED
    else:
        outcome = CallOutcome.CANCELLED
    reason = "" if hung_up_by else reason
    is_end = _end(call, outcome=outcome, reason=reason, hung_up_by=hung_up_by, ended_at=ended_at)
    if explains and reason and by is not None and not is_end:
        _explain(call, by, reason)


def call_fail(*, call: Call, outcome: CallOutcome, reason: str) -> None:
    """The hub itself ends it: nobody answered, no worker, no audio."""
    _end(call, outcome=CallOutcome.ANSWERED if call.connected_at else outcome, reason=reason)


def call_end_of_device(*, device: Device, done: str) -> None:
    """The device belongs to nobody now: its call is over, if it was in one. `done`: why, such as "was removed"."""
    with scope(household=device.household):
        if call := call_live_for_device(device):
            call_fail(call=call, outcome=CallOutcome.FAILED, reason=f"{device.name} {done}.")


def call_hung_up_at(leg: CallParticipant, ago_s: float) -> datetime:
    """When this end hung up, so far as what the hub heard of it agrees: until then it was there."""
    moment = now()
    silent_since = min((at for at in (leg.lost_at, leg.awaited_at) if at is not None), default=moment)
    begun_at = leg.call.connected_at or leg.call.created_at
    return max(moment - timedelta(seconds=ago_s), silent_since - SILENCE_NOTICED, begun_at)


def call_lost_reason(leg: CallParticipant) -> str:
    """In words, for the other end and for the history."""
    return f"The connection to {leg.display_name} was lost and did not come back."


def _explain(call: Call, by: CallParticipant, reason: str) -> None:
    """What passed for hanging up, since the connection closed, was something else."""
    ended = Call.objects.filter(pk=call.pk, hung_up_by=by.role, ended_at__gt=now() - EXPLAINED_WITHIN)
    had_failed = Q(outcome=CallOutcome.CANCELLED, accepted_at__isnull=False)
    outcome = Case(When(had_failed, then=Value(CallOutcome.FAILED.value)), default="outcome")
    ended.update(outcome=outcome, reason=reason[:200], hung_up_by="")
    call.refresh_from_db()


def _end(
    call: Call, *, outcome: CallOutcome, reason: str, hung_up_by: str = "", ended_at: datetime | None = None
) -> bool:
    """Whether it had not ended before."""
    ended_at = ended_at or now()
    if call.worker_lost_at:  # since then nobody heard anything: that time is no part of it
        ended_at = min(ended_at, call.worker_lost_at)
    with transaction.atomic():
        why = {"reason": reason[:200], "hung_up_by": hung_up_by}
        if not call_move(call, CallState.ENDED, outcome=outcome, ended_at=ended_at, **why):
            return False
        call_tell(
            call,
            CallEnd(
                call_id=call.public_id,
                outcome=outcome,
                reason=call_reason(call) or None,
                duration_s=round(call.duration_s, 3),
            ),
        )
        if call.worker_id:
            push_on_commit(group_worker(call.worker_id), CallClose(call_id=call.public_id))
        call_ended.send(sender=Call, call=call)
    return True
