"""The Celery application: queues `tts` (latency), `stt` (throughput) and `default`."""

import os
from collections.abc import Callable
from typing import Any

import kombu
from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import worker_init, worker_process_init

from common.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")


class Connection(kombu.Connection):
    """Looks every second whether the broker is back. Celery itself waits longer and longer, up to half a minute."""

    def ensure_connection(self, *args: Any, **options: Any) -> kombu.Connection:  # type: ignore[override]  # the same
        ensure: Callable[..., kombu.Connection] = super().ensure_connection
        pauses = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 1.0}
        return ensure(*args, **pauses | options)


class HubAMQP(AMQP):
    Connection = Connection


app = Celery("hearthline", amqp="config.celery:HubAMQP")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def give_way(**_: object) -> None:
    """By HUB_NICE steps of nice(2): a transcript can wait, the sound of a call cannot."""
    os.nice(int(os.environ.get("HUB_NICE", "0")))


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A worker that is killed must not leave its child at work: its task goes to another one."""
    die_with_parent()
