"""The base of every Celery task."""

from typing import Any

from celery import Task
from django.db import transaction
from django_scopes import scopes_disabled


class HubTask(Task):  # type: ignore[type-arg]  # Task takes no parameters at run time
    """Runs outside of any household scope: a task looks its one row up by key and follows that row."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with scopes_disabled():
            return super().__call__(*args, **kwargs)


def delay_on_commit(task: "Task[..., Any]", *args: Any) -> None:
    """Enqueue once the rows that the task will read are there. A broker that is away loses it; the sweeps find it."""

    def send() -> None:
        try:
            task.delay(*args)
        except OSError:
            return

    transaction.on_commit(send)
