"""Whose rows a Celery task sees, or news of a media worker; how a task is enqueued; the chores that belong to no app.

A task opens no household by itself, so that reading a row raises. Its decorator says whose rows it needs.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.apps import apps
from django.db import transaction
from django_scopes import scope, scopes_disabled
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from common.redis import doubt
from common.speech_models import SpeechModelError, download

log = structlog.get_logger(__name__)


P = ParamSpec("P")
R = TypeVar("R")
K = TypeVar("K", int, UUID)


def in_household_of(
    model: str,
) -> Callable[[Callable[Concatenate[K, P], R]], Callable[Concatenate[K, P], R]]:
    """The task works for one row: of `model`, with the key or the public id that is its first argument, in that row's
    household.

    What is another household's is absent to it, as to a page. Raises DoesNotExist where the row is gone.
    """

    def decorate(run: Callable[Concatenate[K, P], R]) -> Callable[Concatenate[K, P], R]:
        @wraps(run)
        def inside(key: K, /, *args: P.args, **kwargs: P.kwargs) -> R:
            with scope(household=_household_of(model, key)):
                return run(key, *args, **kwargs)

        vars(inside)["household_of"] = model
        return inside

    return decorate


def over_all_households(run: Callable[P, R]) -> Callable[P, R]:
    """The task is a sweep. What it finds, it changes in the household of each row."""

    @wraps(run)
    def outside(*args: P.args, **kwargs: P.kwargs) -> R:
        with scopes_disabled():
            return run(*args, **kwargs)

    vars(outside)["is_sweep"] = True
    return outside


def _household_of(model: str, key: int | UUID) -> Any:
    which = {"public_id": key} if isinstance(key, UUID) else {"pk": key}
    with scopes_disabled():
        row = apps.get_model(model)._base_manager.get(**which)
        return getattr(row, "household", row)  # a household is its own


def delay_now(task: "Task[..., Any]", *args: int | str | None) -> bool:
    """Enqueue at once. False: the broker is away. The only door to Celery.

    What is enqueued lies in Redis as it is: keys and ids, and nothing that opens a door or that people said. Raises
    TypeError for anything else.
    """
    if strange := [type(one).__name__ for one in args if not isinstance(one, int | str | None)]:
        raise TypeError(f"{task.name} takes keys and ids, and was given {', '.join(strange)}")
    try:
        doubt.check()
        # Once: whoever asks is waited for, and the sweeps ask again.
        task.apply_async(args, retry=False)
    except (OperationalError, RedisError, OSError):
        log.warning("a task was not enqueued: the broker is away", task=task.name)
        return False
    return True


def delay_on_commit(task: "Task[..., Any]", *args: int | str | None) -> None:
    """Enqueue once the rows that the task will read are there. A broker that is away loses it; the sweeps find it."""
    transaction.on_commit(lambda: delay_now(task, *args))


@shared_task
def speech_model_download_task(model_id: str) -> None:
    """Install a model of the catalogue. How far it is, and why it failed, stands on the status page."""
    try:
        download(model_id)
    except SpeechModelError:
        log.warning("a speech model was not downloaded", model_id=model_id)
