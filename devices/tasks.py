"""Sweeps."""

from celery import shared_task

from devices.presence import presence_sweep


@shared_task
def presence_sweep_task() -> None:
    presence_sweep()
