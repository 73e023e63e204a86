"""What a worker says and notes of others whose lease is gone."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from structlog.testing import capture_logs

from calls.workers.placement import worker_forget, worker_goodbye, worker_heartbeat, worker_said_goodbye
from common.failures import Failure, failure_list
from common.redis import redis_get
from media.lease import HubLink

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nothing_failed() -> Iterator[None]:
    redis_get().delete("failures", *redis_get().scan_iter(match="media:worker:*"))
    yield
    redis_get().delete("failures")


async def failures(count: int) -> list[Failure]:
    async with asyncio.timeout(20):
        while len(found := await sync_to_async(failure_list)()) < count:
            await asyncio.sleep(0.1)
    return found


async def test_one_that_is_gone_without_a_word_is_told_once_and_one_that_was_stopped_is_not() -> None:
    name = uuid4().hex[:8]
    stopped, failed, gone = (f"{name}-{what}" for what in ("stopped", "failed", "gone"))
    with capture_logs() as said:
        async with HubLink(f"{name}-1") as first, HubLink(f"{name}-2") as second:
            for worker_id in (stopped, failed, gone):
                await sync_to_async(worker_heartbeat)(worker_id=worker_id, leg_count=0)
            await asyncio.sleep(1.2)  # both have seen all of them
            await sync_to_async(worker_goodbye)(worker_id=stopped)
            for link in (first, second):
                await link.worker_dead(failed, has_failed=True)
            await link.worker_dead(stopped, has_failed=False)
            assert [failure.is_lost for failure in await failures(1)] == [False]
            # Its lease runs out, which is later than that of the others, so whoever notices has judged those.
            [lost] = [failure for failure in await failures(2) if failure.is_lost]
            await asyncio.sleep(1.2)  # the other one has looked, too
    assert lost.host
    assert len(failure_list()) == 2
    missed = [line["worker_id"] for line in said if "gone without a word" in line["event"]]
    assert missed == [gone]


def test_a_goodbye_is_known_where_an_end_is_not() -> None:
    polite, dead = (f"{uuid4().hex[:8]}-{what}" for what in ("polite", "dead"))
    worker_goodbye(worker_id=polite)
    worker_forget(worker_id=dead)
    assert worker_said_goodbye(polite)
    assert not worker_said_goodbye(dead)
