"""What the supervisor starts again stands on the status page, under a name that a person understands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from common.failures import failure_list, failure_note
from common.redis import redis_get
from config import hub
from config.failures import past_failures
from config.postgresql import PostgresServer
from config.programs import demo_device, hub_programs
from config.valkey import ValkeyServer

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def nothing_failed() -> Iterator[None]:
    redis_get().delete("failures")
    yield
    redis_get().delete("failures")


async def test_a_failure_is_told_as_soon_as_redis_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    away = [RedisConnectionError("away")]

    def note(**what: object) -> bool:
        if away:
            raise away.pop()
        return failure_note(**what)  # type: ignore[arg-type]

    monkeypatch.setattr(hub, "failure_note", note)
    monkeypatch.setattr(hub, "FAILURE_TOLD_EVERY_S", 0.01)
    await hub.failure_tell("valkey")
    assert [failure.part for failure in failure_list()] == ["valkey"]


async def test_every_part_that_the_supervisor_keeps_has_a_name_for_people(tmp_path: Path) -> None:
    programs = [*hub_programs(host="::", port=8000), demo_device(hub_url="http://h", data_dir=tmp_path)]
    names = [program.name for program in programs] + [PostgresServer.name, ValkeyServer.name]
    for name in names:
        await hub.failure_tell(name)
    past = past_failures()
    assert past
    assert past.count == len(names)
    assert not [line for line in past.lines if line.split()[0] in names]
