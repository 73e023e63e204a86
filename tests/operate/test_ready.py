"""What the console says between the first page and the first call."""

import asyncio
import io
import time

import pytest

from config import hub
from config.hub import HubOptions, address_tell, calls_tell
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


@pytest.mark.parametrize("answers_at", [1, 2, 4])
async def test_the_address_follows_on_a_slow_computer_and_the_rest_starts_meanwhile(
    monkeypatch: pytest.MonkeyPatch, answers_at: int
) -> None:
    looked, out, told_first = 0, io.StringIO(), []

    async def ready(options: HubOptions) -> bool:
        nonlocal looked
        looked += 1
        return looked == answers_at

    monkeypatch.setattr(hub, "_ready", ready)
    await address_tell(
        LogLines(out),
        HubOptions(),
        "token=t",
        time.monotonic(),
        then=lambda: told_first.append(out.getvalue()),
    )
    assert len(told_first) == 1
    assert ("token=t" in told_first[0]) == (answers_at == 1)
    assert ("then the address follows here" in told_first[0]) == (answers_at > 1)
    assert out.getvalue().count("token=t") == 1
    assert "ready after" in out.getvalue()
