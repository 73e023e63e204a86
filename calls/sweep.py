"""Ends what was forgotten: calls that nobody answered, without audio, without a worker, or with one end alone."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django_scopes import scope

from calls.ending.carriers import calls_uncarried_end
from calls.ending.rights import call_right_problem
from calls.ending.services import call_fail
from calls.models import REASON_NO_WORKER, Call
from calls.recording.services import recording_recover
from calls.selectors import calls_without_copy, recordings_left_open
from calls.services import calls_live
from calls.workers.ends import call_gone_reason
from calls.workers.moves import WAIT, call_found, call_relocate, call_wait
from calls.workers.placement import worker_is_alive
from calls.workers.whip import whip_sweep
from common.clock import now
from protocol.messages.calls import CallOutcome, CallState

# Leases that are missing because Redis lost its memory are back after one heartbeat.
LEASE_GRACE = timedelta(seconds=3)
# A worker that drains closes its files within this time.
RECORDING_GRACE = timedelta(minutes=1)
# A copy that the broker lost is asked for again after this time, until its call is so old that it will not work.
COPY_AGAIN = timedelta(minutes=2)
COPY_GIVEN_UP = timedelta(days=1)


def calls_sweep() -> int:
    """Returns how many calls it ended. Needs the rows of all households, and changes each in its own."""
    moment, ended = now(), calls_uncarried_end()
    for call in calls_live():
        with scope(household=call.household):
            ended += _end_if_due(call, moment)
    whip_sweep()
    for recording in recordings_left_open(moment - RECORDING_GRACE):
        with scope(household=recording.household):
            recording_recover(recording=recording)
    return ended


def copies_due() -> list[int]:
    """Keys of ended calls whose listening copy was lost: by the broker, by a crash, or with one of its files."""
    moment = now()
    lost = calls_without_copy(moment - COPY_GIVEN_UP, moment - RECORDING_GRACE).values_list("pk", flat=True)
    again_s = int(COPY_AGAIN.total_seconds())
    return [key for key in lost if cache.add(f"listening-copy:{key}", 1, timeout=again_s)]


def _end_if_due(call: Call, moment: datetime) -> bool:
    ending = _ending(call, moment)
    if ending is not None:
        call_fail(call=call, outcome=ending[0], reason=ending[1])
    return ending is not None


def _ending(call: Call, moment: datetime) -> tuple[CallOutcome, str] | None:
    ring = timedelta(seconds=settings.RING_TIMEOUT_S)
    connect = timedelta(seconds=settings.CONNECT_TIMEOUT_S)
    if call.worker_id and not _carried(call, moment):
        return CallOutcome.FAILED, REASON_NO_WORKER
    if call.state in (CallState.CALLING, CallState.RINGING) and call.created_at + ring < moment:
        return CallOutcome.NO_ANSWER, f"{call.device.name} did not answer."
    if call.state == CallState.CONNECTING and call.accepted_at and call.accepted_at + connect < moment:
        return CallOutcome.FAILED, "No audio came through."
    if gone := call_gone_reason(call, moment):
        return CallOutcome.ANSWERED, gone
    if problem := call_right_problem(call):
        return CallOutcome.FAILED, problem
    return None


def _carried(call: Call, moment: datetime) -> bool:
    """False: its worker went away, no other one took the call, and the time to wait for one is over.

    Workers notice such things themselves, and sooner; this is for when no worker is left.
    """
    if worker_is_alive(call.worker_id):
        if call.worker_lost_at:
            call_found(call=call)
        return True
    if call.worker_lost_at is None:
        call_wait(call=call)
        return True
    if call.worker_lost_at + LEASE_GRACE > moment or call_relocate(call=call):
        return True
    return call.worker_lost_at + WAIT > moment
