"""The Celery application: queues `tts` (latency), `stt` (throughput) and `default`."""

import os

from celery import Celery
from celery.signals import worker_process_init

from common.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("hearthline", task_cls="common.tasks:HubTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A worker that is killed must not leave its child at work: its task goes to another one."""
    die_with_parent()
