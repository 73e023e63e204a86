"""A call goes on with another media worker: its own died, hangs, drains, or lost its lease.

Whoever notices may ask for the move, also several at once: it is a conditional update of the row, so one wins.
What goes over the calls of a worker needs the rows of all households, and changes each in its own.
"""

from datetime import timedelta

from django.db import transaction
from django_scopes import scope

from calls.ending.services import call_fail
from calls.events import worker_died
from calls.models import REASON_DRAINED, Call, CallBreak, CallParticipant
from calls.pushes import call_push
from calls.state import LIVE_STATES
from calls.workers.placement import worker_choose, worker_forget, worker_is_alive
from calls.workers.whip import whip_call_moved
from common.clock import now
from common.errors import Unavailable
from common.push import group_device, push_on_commit
from protocol.messages.calls import CallMoved, CallOutcome

# A worker that its parent starts again is back within two seconds. The whole media program takes longer on a slow
# computer, and both ends of a call go on trying for 45 s.
WAIT = timedelta(seconds=25)


def worker_dead(*, worker_id: str) -> None:
    """Its process has ended: its calls move, its files are closed. Raises redis.RedisError."""
    worker_forget(worker_id=worker_id)
    for call in calls_move(worker_id=worker_id):
        with scope(household=call.household):
            call_wait(call=call)
    worker_died.send(sender=Call, worker_id=worker_id)


def calls_move(*, worker_id: str) -> list[Call]:
    """Give every call of this worker to another one. Returns those for which there is none."""
    left = []
    for call in _calls_of(worker_id):
        with scope(household=call.household):
            left += [] if call_relocate(call=call) else [call]
    return left


def call_relocate(*, call: Call) -> bool:
    """False: there is no other worker. True also where somebody else was quicker, or the call ended."""
    source = call.worker_id
    rows = Call.objects.filter(pk=call.pk, worker_id=source, state__in=LIVE_STATES)
    try:
        target = worker_choose(besides=source)
    except Unavailable:
        return False
    moment, is_broken = now(), not worker_is_alive(source)
    with transaction.atomic():
        if rows.update(worker_id=target, worker_lost_at=None):
            CallParticipant.objects.filter(call=call, joined_at__isnull=False).update(awaited_at=moment)
            if is_broken and call.connected_at:
                began_at = call.worker_lost_at or moment
                CallBreak.objects.create(household=call.household, call=call, began_at=began_at)
            if call.device.is_foreign:
                whip_call_moved(call=call, from_worker_id=source)
            _tell(call, is_failure=is_broken)
    return True


def call_wait(*, call: Call) -> None:
    """Nobody carries it now. Once: the time of the first word counts."""
    Call.objects.filter(
        pk=call.pk, worker_id=call.worker_id, state__in=LIVE_STATES, worker_lost_at=None
    ).update(worker_lost_at=now())


def calls_waiting_move() -> None:
    """A worker is here now: it takes the calls that wait for one. Raises redis.RedisError."""
    waiting = Call.objects.filter(state__in=LIVE_STATES, worker_lost_at__isnull=False)
    for call in waiting.select_related("device", "household"):
        with scope(household=call.household):
            if worker_is_alive(call.worker_id):
                call_found(call=call)
            else:
                call_relocate(call=call)


def call_found(*, call: Call) -> None:
    """Its worker was away from Redis only."""
    Call.objects.filter(pk=call.pk, worker_id=call.worker_id).update(worker_lost_at=None)


def calls_end(*, worker_id: str) -> None:
    """The worker stops and nobody took its calls over: everybody in them is told why they end."""
    for call in _calls_of(worker_id):
        with scope(household=call.household):
            call_fail(call=call, outcome=CallOutcome.FAILED, reason=REASON_DRAINED)


def _calls_of(worker_id: str) -> "list[Call]":
    calls = Call.objects.filter(worker_id=worker_id, state__in=LIVE_STATES)
    return list(calls.select_related("device", "household"))


def _tell(call: Call, *, is_failure: bool) -> None:
    """Both ends make a new offer. A device that has not answered yet has nothing to move."""
    message = CallMoved(call_id=call.public_id, is_failure=is_failure or None)
    call_push(call, message)
    if call.accepted_at:
        push_on_commit(group_device(call.device.public_id), message)
