"""A worker among others: its lease in Redis, the commands that reach it, and what becomes of calls when one is gone."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import TypeVar
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import DatabaseError
from django_scopes import scopes_disabled
from prometheus_client import generate_latest
from redis.exceptions import RedisError

from calls.refusals import refusals
from calls.selectors import calls_not_with, workers_with_calls
from calls.workers.moves import calls_end, calls_move, calls_waiting_move, worker_dead
from calls.workers.placement import (
    CAPACITY,
    HEARTBEAT_S,
    LeaseWatch,
    worker_goodbye,
    worker_heartbeat,
    worker_list,
    worker_said_goodbye,
)
from calls.workers.whip import whip_touch
from common.clock import now
from common.failures import MEDIA_WORKER, failure_note
from common.metrics import metrics_publish
from common.push import group_worker
from common.stamps import event_is_ours
from common.tasks import over_all_households
from media.hub import HubDoor, tell
from protocol.worker import WorkerCommand, parse_command

log = structlog.get_logger(__name__)
CHECK_ROWS_EVERY = 5  # looks at the leases
T = TypeVar("T")


class HubLink:
    """`async with HubLink(id) as link`: a lease in Redis, the commands for this worker, and a look at the others."""

    def __init__(self, worker_id: str, *, capacity: int = CAPACITY) -> None:
        self.worker_id = worker_id
        self.door = HubDoor(worker_id)
        self._capacity = capacity
        self._leg_count = 0
        self._call_ids: tuple[str, ...] = ()
        self._is_draining = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "HubLink":
        self._layer = get_channel_layer()
        self._channel: str = await self._layer.new_channel()
        await self._layer.group_add(group_worker(self.worker_id), self._channel)
        await self._renew()
        self._tasks = [
            asyncio.create_task(self._heartbeat(), name="heartbeat"),
            asyncio.create_task(self._watch(), name="watch workers"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._layer.group_discard(group_worker(self.worker_id), self._channel)
            await asyncio.to_thread(worker_goodbye, worker_id=self.worker_id)
        except RedisError:
            log.warning("lease left to run out: Redis is away")

    def report(self, *, leg_count: int, call_ids: Iterable[str]) -> None:
        """What the next heartbeat says."""
        self._leg_count, self._call_ids = leg_count, tuple(call_ids)

    async def commands(self) -> AsyncIterator[WorkerCommand]:
        """Those that the hub wrote for this worker. Never ends; survives Redis going away."""
        while True:
            event = await self._layer.receive(self._channel)
            if event_is_ours(event, at=(group_worker(self.worker_id),)):
                yield parse_command(event["text"])
            else:
                await refusals.note(event)

    # Other workers, and the end of this one

    async def worker_dead(self, worker_id: str, *, has_failed: bool) -> None:
        """The process of that worker, on this host, has ended. `has_failed`: nobody told it to."""
        await tell(_worker_dead, worker_id)
        if has_failed:
            await tell(_worker_failed, worker_id)

    async def tell_metrics(self) -> None:
        """The numbers of this process, for whoever asks the hub's /metrics."""
        try:
            await asyncio.to_thread(metrics_publish, f"media:{self.worker_id}", generate_latest())
        except RedisError:
            log.warning("metrics_not_told")

    async def drain(self) -> None:
        """No new calls from now on."""
        self._is_draining = True
        await self._renew()

    async def move_calls(self) -> None:
        """To other workers, if there are any."""
        await tell(_calls_move, self.worker_id)

    async def end_calls(self) -> None:
        """Those that are left, with notice."""
        await tell(_calls_end, self.worker_id)

    async def strays(self, call_ids: Iterable[str]) -> dict[str, bool]:
        """Of these calls, those that are not this worker's: True has ended, False is with another worker."""
        ids = list(call_ids)
        if not ids:
            return {}
        try:
            strays: dict[str, bool] = await database_sync_to_async(_strays)(ids, self.worker_id)
        except DatabaseError:
            return {}
        return strays

    async def standing_strays(self, leg_ids: Iterable[UUID]) -> list[UUID]:
        """These standing legs are heard here. Returns those that should not be here any more."""
        ids = list(leg_ids)
        if not ids:
            return []
        return await _ask(lambda: whip_touch(device_ids=ids, worker_id=self.worker_id), [])

    async def _renew(self) -> None:
        try:
            await asyncio.to_thread(
                worker_heartbeat,
                worker_id=self.worker_id,
                leg_count=self._leg_count,
                capacity=self._capacity,
                call_ids=self._call_ids,
                is_draining=self._is_draining,
            )
        except RedisError:
            log.warning("no heartbeat: Redis is away")

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self._renew()

    async def _watch(self) -> None:
        """Calls of a worker whose lease ran out, with the host that it ran on, move here or elsewhere."""
        watch = LeaseWatch(self.worker_id)
        hosts: dict[str, str] = {}
        looks = 0
        while True:
            if looks % CHECK_ROWS_EVERY == 0:
                watch.expect(await _ask(workers_with_calls, set()))
                await _ask(_calls_waiting_move, None)
            looks += 1
            leases = await asyncio.to_thread(_leases)
            hosts |= leases or {}
            for worker_id in watch.look(None if leases is None else set(leases), time.monotonic()):
                await tell(_calls_move, worker_id)
                await tell(_worker_missed, worker_id, hosts.pop(worker_id, ""))
            await asyncio.sleep(HEARTBEAT_S)


async def _ask(function: Callable[[], T], otherwise: T) -> T:
    """What it returns; `otherwise` while the database or Redis is away."""

    def run() -> T:
        with scopes_disabled():
            return function()

    try:
        found: T = await database_sync_to_async(run)()
    except (DatabaseError, RedisError):
        return otherwise
    return found


def _leases() -> dict[str, str] | None:
    """The hosts of the workers that hold one, by id; None while Redis is away."""
    try:
        return {worker.worker_id: worker.host for worker in worker_list()}
    except RedisError:
        return None


@over_all_households
def _worker_dead(worker_id: str) -> None:
    worker_dead(worker_id=worker_id)


def _worker_failed(worker_id: str) -> None:
    """Every worker of this host hears of it, and the first one notes it."""
    failure_note(part=MEDIA_WORKER, host=socket.gethostname(), at=now(), once=worker_id)


def _worker_missed(worker_id: str, host: str) -> None:
    """Said and noted once, and not of one that was stopped, nor of one whose parent said that it failed."""
    if worker_said_goodbye(worker_id):
        return
    if failure_note(part=MEDIA_WORKER, host=host, at=now(), is_lost=True, once=worker_id):
        log.warning(
            "A media worker is gone without a word. The calls that it had go on in another one.",
            worker_id=worker_id,
        )


@over_all_households
def _calls_move(worker_id: str) -> None:
    calls_move(worker_id=worker_id)


@over_all_households
def _calls_end(worker_id: str) -> None:
    calls_end(worker_id=worker_id)


def _calls_waiting_move() -> None:
    calls_waiting_move()


def _strays(call_ids: list[str], worker_id: str) -> dict[str, bool]:
    with scopes_disabled():
        return calls_not_with(call_ids, worker_id=worker_id)
