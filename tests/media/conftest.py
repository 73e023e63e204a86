import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from media.leg import Limits
from media.worker import MediaWorker
from tests.fakes.door import FakeDoor

QUICK = Limits(lost_after_s=0.8, quiet_after_s=3.0, closed_after_s=3.0)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    return tmp_path / "captures"


@pytest.fixture
def door() -> FakeDoor:
    return FakeDoor()


@pytest_asyncio.fixture
async def worker(door: FakeDoor, recordings: Path, captures: Path) -> AsyncIterator[MediaWorker]:
    worker = MediaWorker(door, recordings_root=recordings, captures_root=captures, limits=QUICK)
    yield worker
    await worker.aclose()


@pytest_asyncio.fixture(autouse=True)
async def no_leaked_tasks() -> AsyncIterator[None]:
    """A task or a thread of the worker that outlives its test fails it."""
    yield
    await asyncio.sleep(0)
    leaked = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("media.")]
    threads = [thread.name for thread in threading.enumerate() if thread.name == "recorder"]
    gc.collect()
    assert not leaked
    assert not threads
