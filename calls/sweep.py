"""Ends what was forgotten: calls that nobody answered, that never got audio, or whose worker is gone."""

from datetime import datetime, timedelta

from django.conf import settings

from calls.models import Call, Recording, RecordingState
from calls.placement import worker_is_alive
from calls.services import call_fail, calls_live
from common.clock import now
from protocol.messages import CallOutcome, CallState


def calls_sweep() -> int:
    """Returns how many calls it ended."""
    moment = now()
    endings = [(call, _ending(call, moment)) for call in calls_live()]
    for call, ending in endings:
        if ending:
            call_fail(call=call, outcome=ending[0], reason=ending[1])
    _give_up_lost_recordings(moment)
    return sum(1 for _, ending in endings if ending)


def _ending(call: Call, moment: datetime) -> tuple[CallOutcome, str] | None:
    ring = timedelta(seconds=settings.RING_TIMEOUT_S)
    connect = timedelta(seconds=settings.CONNECT_TIMEOUT_S)
    if call.worker_id and not worker_is_alive(call.worker_id):
        return CallOutcome.FAILED, "The part of the hub that carries the audio stopped."
    if call.state in (CallState.CALLING, CallState.RINGING) and call.created_at + ring < moment:
        return CallOutcome.NO_ANSWER, f"{call.device.name} did not answer."
    if call.state == CallState.CONNECTING and call.accepted_at and call.accepted_at + connect < moment:
        return CallOutcome.FAILED, "No audio came through."
    return None


def _give_up_lost_recordings(moment: datetime) -> None:
    """A file that its worker never closed is marked, so that nothing waits for it."""
    limit = moment - timedelta(minutes=2)
    Recording.objects.filter(state=RecordingState.WRITING, call__ended_at__lt=limit).update(
        state=RecordingState.LOST
    )
