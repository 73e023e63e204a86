"""Sweeps."""

from celery import shared_task

from devices.authorization import authorizations_sweep
from devices.presence import presence_sweep


@shared_task
def presence_sweep_task() -> None:
    presence_sweep()


@shared_task
def authorizations_sweep_task() -> None:
    authorizations_sweep()
