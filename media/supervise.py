"""Tasks that are named, kept, watched and ended. No task of the worker runs without one of these."""

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Supervisor:
    """Keeps its tasks alive and logs those that fail. `aclose` cancels and awaits what is left."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def task_count(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None] | None:
        """Start a task. After `aclose` nothing starts any more and None comes back."""
        if self._closed:
            coroutine.close()
            return None
        task = asyncio.create_task(coroutine, name=f"{self._name}.{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def aclose(self) -> None:
        """Cancel and await all tasks. May be called twice, but not from one of its own tasks."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log_failure("task_failed", error, task=task.get_name())


def log_failure(event: str, error: BaseException, **ids: str) -> None:
    """The kind and the place of an error. Its text stays out: it may quote SDP or what people said."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    log.error(event, error=type(error).__name__, where=where, **ids)
