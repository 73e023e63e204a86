"""What the console says between the first page and the first call."""

import asyncio
import io
import time

import pytest

from config.hub import calls_tell
from config.log_lines import LogLines
from tests.fakes.worker import FakeWorker

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def test_the_console_says_when_calls_are_possible() -> None:
    out = io.StringIO()
    telling = asyncio.create_task(calls_tell(LogLines(out), time.monotonic()))
    while "calls are possible in a moment" not in out.getvalue():
        assert not telling.done()
        await asyncio.sleep(0.01)
    async with FakeWorker():
        await asyncio.wait_for(telling, 10)
    assert "calls are possible now, after" in out.getvalue()


async def test_where_calls_are_possible_nothing_is_said() -> None:
    out = io.StringIO()
    async with FakeWorker():
        await asyncio.wait_for(calls_tell(LogLines(out), time.monotonic()), 10)
    assert out.getvalue() == ""
