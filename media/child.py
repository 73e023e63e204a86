"""One worker process, from its lease in Redis to the last closed file."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from media.connection import loop, ports
from media.connection.candidates import AddressRules, networks_read
from media.parent import BEAT, FAILED, READY, STOP_SIGNALS
from media.supervise import Supervisor, log_failure
from media.worker import MediaWorker

if TYPE_CHECKING:
    from media.lease import HubLink

log = structlog.get_logger(__name__)

THREADS: Final = 6  # for what waits: Redis, files
BEAT_S: Final = 0.25
REPORT_S: Final = 1.0
RETRY_S: Final = 1.0
METRICS_S: Final = 5.0
DRAIN_S: Final = 50.0  # a minute is usual before a stopped container is killed
STRAYS_EVERY_S: Final = 2.0
HEARD_EVERY_S: Final = 2.0
IDLE_LOOK_S: Final = 3.0
STANDING_EVERY_S: Final = 5.0  # a device that is silent for 25 s counts as offline
# Both ends have made their new connection by then, or notice that this one is gone.
MOVED_GRACE_S: Final = 10.0


def run(worker_id: str, *, capacity: int, wire: socket.socket | None = None) -> int:
    """Until a signal. `wire` leads to the parent, where there is one. Returns the exit status."""
    loop.run(_main(worker_id, capacity, wire))
    return 0


async def _main(worker_id: str, capacity: int, wire: socket.socket | None) -> None:
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    running.set_default_executor(_threads_make())
    for number in STOP_SIGNALS:
        running.add_signal_handler(number, stop.set)
    await serve(worker_id, stop, capacity=capacity, wire=wire)


def _threads_make() -> ThreadPoolExecutor:
    """All of them at once: a pool that grows now and then looks like a leak."""
    executor, all_there = ThreadPoolExecutor(THREADS, thread_name_prefix="worker"), Barrier(THREADS)
    for _ in range(THREADS):
        executor.submit(all_there.wait)
    return executor


async def serve(
    worker_id: str, stop: asyncio.Event, *, capacity: int, wire: socket.socket | None = None
) -> None:
    """Run until `stop` is set, drain, and always finish the files."""
    from django.conf import settings

    from media.lease import HubLink

    ports.configure(settings.MEDIA_PORT)
    tasks, ready = Supervisor("main"), asyncio.Event()
    if wire is not None:
        # First: a hub that does not answer is no reason to be killed.
        tasks.spawn(_beat(wire, ready), name="beat")
    try:
        async with HubLink(worker_id, capacity=capacity) as link:
            worker = MediaWorker(
                link.door,
                recordings_root=settings.RECORDINGS_ROOT,
                captures_root=settings.CAPTURES_ROOT,
                addresses=AddressRules(
                    may_loopback=settings.MEDIA_MAY_LOOPBACK,
                    may_resolve_names=settings.LAN_MODE,
                    service_networks=networks_read(settings.SERVICE_NETWORKS),
                ),
            )
            tasks.spawn(_take_commands(link, worker), name="commands")
            tasks.spawn(_report(link, worker), name="report")
            tasks.spawn(_tell_metrics(link), name="metrics")
            tasks.spawn(_end_strays(link, worker), name="strays")
            tasks.spawn(_tell_heard(worker), name="heard")
            tasks.spawn(_keep_standing(link, worker), name="standing")
            tasks.spawn(_give_memory_back(worker), name="memory")
            if wire is not None:
                tasks.spawn(_hear_of_the_dead(link, wire), name="dead")
            ready.set()
            log.info("media_worker_ready", worker_id=worker_id)
            try:
                await stop.wait()
                stop.clear()
                await _drain(link, worker, stop)
            finally:
                await worker.aclose()
                await tasks.aclose()
    finally:
        await tasks.aclose()
        log.info("media_worker_stopped", worker_id=worker_id)


# The parent


async def _beat(wire: socket.socket, ready: asyncio.Event) -> None:
    """This loop turns, and whether the worker is ready: that is all that it says."""
    wire.setblocking(False)
    while True:
        try:
            wire.send(READY if ready.is_set() else BEAT)
        except BlockingIOError:  # a parent that was stopped does not read; it will
            log.debug("beat_not_read")
        await asyncio.sleep(BEAT_S)


async def _hear_of_the_dead(link: "HubLink", wire: socket.socket) -> None:
    """The parent says which of its workers have ended, and how; their calls move at once."""
    reader, writer = await asyncio.open_unix_connection(sock=wire.dup())
    try:
        while line := await reader.readline():
            worker_id, _, how = line.decode().strip().partition(" ")
            await link.worker_dead(worker_id, has_failed=how == FAILED)
    finally:
        writer.close()


# The hub


async def _take_commands(link: "HubLink", worker: MediaWorker) -> None:
    while True:
        try:
            async for command in link.commands():
                await worker.handle(command)
                link.report(leg_count=worker.exchange.leg_count, call_ids=worker.exchange.call_ids)
        except Exception as error:  # noqa: BLE001 - neither a command nor a broker ends the calls that run
            log_failure("commands_interrupted", error)
            await asyncio.sleep(RETRY_S)


async def _report(link: "HubLink", worker: MediaWorker) -> None:
    while True:
        link.report(leg_count=worker.exchange.leg_count, call_ids=worker.exchange.call_ids)
        await asyncio.sleep(REPORT_S)


async def _tell_metrics(link: "HubLink") -> None:
    while True:
        await link.tell_metrics()
        await asyncio.sleep(METRICS_S)


async def _end_strays(link: "HubLink", worker: MediaWorker) -> None:
    """End what the hub believes ended, or elsewhere: a command to close may have been lost with Redis."""
    moved_s: dict[str, float] = {}
    while True:
        await asyncio.sleep(STRAYS_EVERY_S)
        strays = await link.strays(worker.exchange.call_ids)
        moved_s = {
            call: moved_s.get(call, 0.0) + STRAYS_EVERY_S for call, ended in strays.items() if not ended
        }
        for call_id, has_ended in strays.items():
            if has_ended or moved_s[call_id] > MOVED_GRACE_S:
                await worker.close_call(call_id, is_over=has_ended)


async def _tell_heard(worker: MediaWorker) -> None:
    while True:
        await asyncio.sleep(HEARD_EVERY_S)
        worker.exchange.tell_heard()


async def _keep_standing(link: "HubLink", worker: MediaWorker) -> None:
    """The devices of standing legs are online, except those that the hub knows elsewhere."""
    while True:
        await asyncio.sleep(STANDING_EVERY_S)
        for leg_id in await link.standing_strays(worker.exchange.standing_ids):
            await worker.close_leg(leg_id)


async def _give_memory_back(worker: MediaWorker) -> None:
    """After the last call, when nobody hears that the loop stands for a moment."""
    from common.processes import memory_give_back

    was_busy = False
    while True:
        await asyncio.sleep(IDLE_LOOK_S)
        is_busy = bool(worker.exchange.call_ids)
        if was_busy and not is_busy:
            memory_give_back()
        was_busy = is_busy


async def _drain(link: "HubLink", worker: MediaWorker, stop: asyncio.Event) -> None:
    """Commands are still taken meanwhile. A second signal ends it at once; nobody's call ends without notice."""
    await link.drain()
    drain = asyncio.ensure_future(worker.exchange.drain(DRAIN_S))
    impatient = asyncio.ensure_future(stop.wait())
    move = asyncio.ensure_future(_move_calls(link))
    await asyncio.wait({drain, impatient}, return_when=asyncio.FIRST_COMPLETED)
    for task in (drain, impatient, move):
        task.cancel()
    await asyncio.gather(drain, impatient, move, return_exceptions=True)
    await link.end_calls()
    # The command to close them may come too late: their ends hear now that the call is over, and do not reconnect.
    for call_id, has_ended in (await link.strays(worker.exchange.call_ids)).items():
        if has_ended:
            await worker.exchange.end_call(UUID(call_id))


async def _move_calls(link: "HubLink") -> None:
    """To other workers, as soon as there are any."""
    while True:
        await link.move_calls()
        await asyncio.sleep(RETRY_S)
