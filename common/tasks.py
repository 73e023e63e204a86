"""The base of every Celery task."""

from typing import Any

from celery import Task
from django.db import close_old_connections, transaction
from django_scopes import scopes_disabled


class HubTask(Task):
    """Runs with no household scope of its own: a task looks its one row up by key, then opens that row's scope."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        close_old_connections()
        with scopes_disabled():
            return super().__call__(*args, **kwargs)


def delay_on_commit(task: Task, *args: Any) -> None:
    """Enqueue once the rows that the task will read are there. A broker that is away loses it; the sweeps find it."""

    def send() -> None:
        try:
            task.delay(*args)
        except OSError:
            return

    transaction.on_commit(send)
