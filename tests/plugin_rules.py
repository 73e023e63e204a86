"""A pytest plugin for the rules of the house: no orphan tasks, one mark a test, and no skips on CI."""

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

MARKS = {"unit", "integration", "e2e", "hardware"}
# Made by the channel layer for each event loop; it ends them when the loop closes.
KEPT_BY_LIBRARIES = ("channels_redis",)


@pytest.fixture(autouse=True)
def no_orphan_tasks(request: pytest.FixtureRequest) -> None:
    """An asyncio test fails when a task that it started still runs at its end."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("orphan_tasks_fail")


@pytest_asyncio.fixture
async def orphan_tasks_fail() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(3):  # a cancelled task needs a turn of the loop to end
        await asyncio.sleep(0)
    orphans = [
        task for task in asyncio.all_tasks() - before if task is not asyncio.current_task() and ours(task)
    ]
    if orphans:
        names = ", ".join(repr(task) for task in orphans)
        for task in orphans:
            task.cancel()
        await asyncio.gather(*orphans, return_exceptions=True)
        pytest.fail(f"The test left tasks running: {names}")


def ours(task: "asyncio.Task[object]") -> bool:
    frames = task.get_stack(limit=1)
    return not frames or not any(name in frames[0].f_code.co_filename for name in KEPT_BY_LIBRARIES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    unmarked = [
        item.nodeid for item in items if len(MARKS & {mark.name for mark in item.iter_markers()}) != 1
    ]
    if unmarked:
        raise pytest.UsageError(f"These tests need exactly one of the marks {sorted(MARKS)}: {unmarked[:10]}")


def is_ci() -> bool:
    return os.environ.get("CI") == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if is_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = call.excinfo.value if call.excinfo else ""
        report.longrepr = f"{item.nodeid} was skipped, and on CI nothing may be: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if is_ci() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and on CI nothing may be: {report.longrepr}"
    return report
