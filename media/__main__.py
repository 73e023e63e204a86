"""`python -m media`: one media worker, from its lease in Redis to the last closed file."""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

import django
import structlog

from media.connection.candidates import AddressRules, networks_read
from media.supervise import Supervisor, log_failure
from media.worker import MediaWorker

if TYPE_CHECKING:
    from media.hub import HubLink

log = structlog.get_logger(__name__)

DRAIN_S: Final = 10.0
LOAD_S: Final = 1.0


def default_worker_id() -> str:
    """New for every process: commands for one that died must not reach its successor."""
    host = "".join(letter for letter in socket.gethostname() if letter.isascii() and letter.isalnum())
    return f"{host[:32] or 'worker'}-{secrets.token_hex(4)}"


def parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m media", description="Carries the audio of the hub's calls."
    )
    parser.add_argument("--worker-id", default=None, help="the name of this worker in Redis; new by default")
    return parser.parse_args(words)


async def serve(worker_id: str, stop: asyncio.Event) -> None:
    """Run until `stop` is set, then let calls end for at most 10 s, and always finish the files."""
    from django.conf import settings

    from media.hub import HubLink

    async with HubLink(worker_id) as link:
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
        tasks = Supervisor("main")
        tasks.spawn(_take_commands(link, worker), name="commands")
        tasks.spawn(_report_load(link, worker), name="load")
        log.info("media_worker_ready", worker_id=worker_id)
        try:
            await stop.wait()
            stop.clear()
            await _drain(worker, stop)
        finally:
            await worker.aclose()
            await tasks.aclose()
            log.info("media_worker_stopped", worker_id=worker_id)


async def _drain(worker: MediaWorker, stop: asyncio.Event) -> None:
    """Commands are still taken meanwhile. A second signal ends it at once."""
    drain = asyncio.ensure_future(worker.drain(DRAIN_S))
    impatient = asyncio.ensure_future(stop.wait())
    await asyncio.wait({drain, impatient}, return_when=asyncio.FIRST_COMPLETED)
    for task in (drain, impatient):
        task.cancel()
    await asyncio.gather(drain, impatient, return_exceptions=True)


async def _take_commands(link: "HubLink", worker: MediaWorker) -> None:
    while True:
        try:
            async for command in link.commands():
                await worker.handle(command)
                link.report_load(worker.leg_count)
        except Exception as error:
            # One unreadable command, or a broker that went away, must not end the calls that run.
            log_failure("commands_interrupted", error)
            await asyncio.sleep(LOAD_S)


async def _report_load(link: "HubLink", worker: MediaWorker) -> None:
    while True:
        link.report_load(worker.leg_count)
        await asyncio.sleep(LOAD_S)


async def _main(worker_id: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(worker_id, stop)


def main(words: list[str]) -> int:
    arguments = parse_arguments(words)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    for library in ("aiortc", "aioice"):  # their lesser messages hold addresses of people's networks
        logging.getLogger(library).setLevel(logging.WARNING)
    asyncio.run(_main(arguments.worker_id or default_worker_id()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
