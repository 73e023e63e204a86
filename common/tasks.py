"""The base of every Celery task, and the chores that belong to no app."""

from typing import Any

import structlog
from celery import Task, shared_task
from django.db import transaction
from django_scopes import scopes_disabled
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from common.redis import doubt
from common.speech_models import SpeechModelError, download

log = structlog.get_logger(__name__)


class HubTask(Task):  # type: ignore[type-arg]  # Task takes no parameters at run time
    """Runs outside of any household scope: a task looks its one row up by key and follows that row."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with scopes_disabled():
            return super().__call__(*args, **kwargs)


def delay_now(task: "Task[..., Any]", *args: Any) -> bool:
    """Enqueue at once. False: the broker is away."""
    try:
        doubt.check()
        # Once: whoever asks is waited for, and the sweeps ask again.
        task.apply_async(args, retry=False)
    except (OperationalError, RedisError, OSError):
        log.warning("a task was not enqueued: the broker is away", task=task.name)
        return False
    return True


def delay_on_commit(task: "Task[..., Any]", *args: Any) -> None:
    """Enqueue once the rows that the task will read are there. A broker that is away loses it; the sweeps find it."""
    transaction.on_commit(lambda: delay_now(task, *args))


@shared_task
def speech_model_download_task(model_id: str) -> None:
    """Install a model of the catalogue. How far it is, and why it failed, stands on the status page."""
    try:
        download(model_id)
    except SpeechModelError:
        log.warning("a speech model was not downloaded", model_id=model_id)
