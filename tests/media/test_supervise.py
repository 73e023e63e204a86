import asyncio

import pytest
from structlog.testing import capture_logs

from media.supervise import Supervisor

pytestmark = pytest.mark.unit


async def _fail() -> None:
    raise ValueError("what somebody said")


async def test_a_failure_is_logged_by_kind_and_place_and_never_by_its_text() -> None:
    tasks = Supervisor("media")
    with capture_logs() as logs:
        task = tasks.spawn(_fail(), name="speak")
        assert task is not None
        await asyncio.wait({task})
        await asyncio.sleep(0)
    assert [(entry["event"], entry["task"], entry["error"]) for entry in logs] == [
        ("task_failed", "media.speak", "ValueError")
    ]
    assert "said" not in str(logs)
    assert tasks.task_count == 0


async def test_closing_ends_all_tasks_and_nothing_starts_afterwards() -> None:
    tasks = Supervisor("media")
    task = tasks.spawn(asyncio.Event().wait(), name="wait")  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await tasks.aclose()
    await tasks.aclose()
    assert task is not None
    assert task.cancelled()
    assert tasks.spawn(_fail(), name="late") is None
