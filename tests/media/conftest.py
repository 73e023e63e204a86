import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from aioice import ice
from aioice.ice import get_host_addresses
from hypothesis import HealthCheck, settings

from media.connection import addresses
from media.connection.loop import compile_early, loop_factory
from media.leg import Limits
from media.worker import MediaWorker
from tests.fakes.door import FakeDoor
from tests.fakes.network import lasting

# On a busy machine an example may take long; that says nothing about the code.
settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop in which the worker runs."""
    return {"worker": loop_factory() or asyncio.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """As a worker does before its first call."""
    compile_early()


@pytest.fixture
def lasting_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests make networks on this machine meanwhile, and take them away."""

    def read(**which: bool) -> list[str]:
        return lasting(get_host_addresses(**which))

    for module in (ice, addresses):
        monkeypatch.setattr(module, "get_host_addresses", read)


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
async def worker(
    door: FakeDoor, recordings: Path, captures: Path, lasting_addresses: None
) -> AsyncIterator[MediaWorker]:
    """A task or a thread of the worker that outlives its test fails it."""
    worker = MediaWorker(door, recordings_root=recordings, captures_root=captures, limits=QUICK)
    yield worker
    await worker.aclose()
    leaked = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("media.")]
    threads = [thread.name for thread in threading.enumerate() if thread.name == "recorder"]
    assert not leaked
    assert not threads
