"""What lies in Redis for Celery: keys and ids, and nothing that opens a door or that people said."""

import ast
import inspect
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from common.tasks import delay_now
from config.celery import app

pytestmark = pytest.mark.unit

ROOT: Final = Path(__file__).parents[2]
APPS: Final = (
    "announcements",
    "calls",
    "common",
    "config",
    "devices",
    "households",
    "media",
    "signaling",
    "transcripts",
)
# What is no key of a row, and why it may lie there.
NO_KEYS: Final = {
    "path": "a file that the hub named, below its own folder",
    "language": "two letters",
    "channel": "where the answer goes: a name that the channel layer made",
    "reply_to": "the number that a client gave its own message",
}
DOORS: Final = {"delay", "apply_async", "send_task", "delay_on_commit"}


def tasks() -> dict[str, Any]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def doors_of(file: Path) -> list[str]:
    """Where a task is enqueued otherwise than by common.tasks."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    named = [call.func.attr for call in calls if isinstance(call.func, ast.Attribute)]
    return [f"{file.relative_to(ROOT)}: {name}" for name in named if name in DOORS]


def test_each_task_takes_keys_and_ids_and_what_is_named_here_with_a_reason() -> None:
    strange = {
        f"{name}({parameter})"
        for name, task in tasks().items()
        for parameter in inspect.signature(task.run).parameters
        if not parameter.endswith(("_pk", "_id")) and parameter not in NO_KEYS
    }
    assert len(tasks()) > 10
    assert strange == set()


def test_nothing_is_enqueued_but_by_the_door_that_looks() -> None:
    found = [door for name in APPS for file in (ROOT / name).rglob("*.py") for door in doors_of(file)]
    assert found == ["common/tasks.py: apply_async"]


@pytest.mark.parametrize(
    "given", [{"password": "x"}, b"x", ["x"], uuid4(), object()], ids=lambda one: type(one).__name__
)
def test_the_door_refuses_what_is_no_key(given: Any) -> None:
    with pytest.raises(TypeError, match="takes keys and ids, and was given"):
        delay_now(tasks()["common.tasks.speech_model_download_task"], given)
