"""Failures of the last day, in Redis."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from common import failures
from common.clock import now
from common.failures import failure_list, failure_note
from common.redis import redis_get

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def nothing_failed() -> Iterator[None]:
    redis_get().delete("failures")
    yield
    redis_get().delete("failures")


def test_of_several_who_notice_the_first_one_notes_it() -> None:
    once = uuid4().hex
    assert failure_note(part="web", host="attic", at=now(), once=once)
    assert not failure_note(part="web", host="attic", at=now(), is_lost=True, once=once)
    assert failure_note(part="web", host="attic", at=now())
    assert [(failure.part, failure.host, failure.is_lost) for failure in failure_list()] == [
        ("web", "attic", False)
    ] * 2


def test_a_failure_counts_for_a_day_and_takes_no_room_after_it() -> None:
    failure_note(part="web", host="attic", at=now() - timedelta(hours=25))
    assert failure_list() == []
    failure_note(part="web", host="attic", at=now() - timedelta(hours=23))
    assert len(failure_list()) == 1
    assert 0 < int(redis_get().ttl("failures")) <= 24 * 3600


def test_a_part_that_fails_all_day_does_not_fill_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST", 3)
    for number in range(5):
        failure_note(part=f"part {number}", host="attic", at=now())
    assert sorted(failure.part for failure in failure_list()) == ["part 2", "part 3", "part 4"]
