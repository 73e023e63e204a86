"""Sweeps."""

from celery import shared_task

from common.tasks import over_all_households
from devices.claiming.authorization import authorizations_sweep
from devices.presence import presence_sweep


@shared_task
@over_all_households
def presence_sweep_task() -> None:
    presence_sweep()


@shared_task
@over_all_households
def authorizations_sweep_task() -> None:
    authorizations_sweep()
