"""Doors from Celery to the services."""

from celery import shared_task
from django_scopes import scope

from calls.models import Call
from calls.recording.services import listening_copy_create, recording_recover
from calls.selectors import recordings_of_worker
from calls.sweep import calls_sweep, copies_due
from common.tasks import delay_now, in_household_of, over_all_households


@shared_task
@over_all_households
def calls_sweep_task() -> None:
    calls_sweep()
    for key in copies_due():
        delay_now(listening_copy_create_task, key)


@shared_task
@in_household_of("calls.Call")
def listening_copy_create_task(call_pk: int) -> None:
    listening_copy_create(call=Call.objects.select_related("household").get(pk=call_pk))


@shared_task
@over_all_households
def recordings_recover_task(worker_id: str) -> None:
    """What a dead worker left open. Those that this loses are found by the sweep, a minute after the call."""
    for recording in recordings_of_worker(worker_id):
        with scope(household=recording.household):
            recording_recover(recording=recording)
