"""The whole hub in one terminal: private servers, tables, static files, processes, and the address to open."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connections
from redis.exceptions import RedisError

from calls.workers.placement import worker_is_there
from common.address import address_note
from common.clock import now
from common.failures import failure_note
from common.network import LOOPBACK_HOSTS, lan_address
from config.banner import banner, speech_note
from config.demo import demo_note
from config.embedded import EmbeddedServers, data_dir_lock, embedded_start, given
from config.errors import StartError
from config.log_lines import LogLines
from config.programs import Program, demo_device, hub_programs
from config.readiness import answers_ok
from config.second_wall import second_wall_problem
from config.secrets import typed
from config.static_files import static_files_collect
from config.supervisor import Supervisor

READY_WITHIN_S = 120.0
CALLS_WITHIN_S = 300.0  # the first start on a small computer makes machine code of what carries the audio
LOOK_EVERY_S = 0.1
PORT_LAST = 65535
FAILURE_TOLD_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    host: str = "0.0.0.0"  # noqa: S104 - speakers in the house must reach it
    port: int = 8000
    has_demo_device: bool = False
    ends_when_ready: bool = False


def hub_run(options: HubOptions) -> None:
    """Start everything, and return when a signal has ended it. Raises StartError."""
    began_s = time.monotonic()
    os.umask(0o077)
    log = LogLines()
    lock = data_dir_lock(settings.DATA_DIR)
    port_check(options.host, options.port)
    log.say("hub", f"starting; data lies in {settings.DATA_DIR}")
    servers = embedded_start(settings.DATA_DIR, lock=lock)
    try:
        prepare()
        if problem := second_wall_problem():
            log.say("hub", problem)
        text = banner_text(options)
        supervisor = Supervisor(environment=child_environment(servers), log=log, failed=failure_tell)
        asyncio.run(_supervise(supervisor, servers, options, text, began_s))
        log.say("hub", "stopped")
    except OperationalError as error:
        raise StartError(f"The database does not answer: {error}") from error
    finally:
        servers.stop()


def port_check(host: str, port: int) -> None:
    """Raises StartError with a free port to take instead."""
    if port_is_free(host, port):
        return
    other = next((number for number in range(port + 1, PORT_LAST + 1) if port_is_free(host, number)), None)
    hint = f" Choose another one: {typed(f'./start --port {other}')}" if other else ""
    raise StartError(f"Port {port} is taken by another program.{hint}")


def port_is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # a port in TIME_WAIT is free for a server
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, PermissionError):
                raise StartError(f"Port {port} is for programs of root. Choose one above 1023.") from error
            return False
    return True


def prepare() -> None:
    """Tables and static files as this version of the code wants them."""
    call_command("migrate", interactive=False, verbosity=0)
    static_files_collect()


def child_environment(servers: EmbeddedServers) -> dict[str, str]:
    return dict(os.environ) | {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "HUB_DATA_DIR": str(settings.DATA_DIR),
        "HUB_WINDOW": str(settings.HAS_WINDOW),
    }


def programs_of(options: HubOptions) -> list[Program]:
    programs = hub_programs(host=options.host, port=options.port)
    if options.has_demo_device:
        hub_url = f"http://localhost:{options.port}"
        programs.append(demo_device(hub_url=hub_url, data_dir=demo_dir(), qr_hub_url=lan_url(options)))
    return programs


def demo_dir() -> Path:
    folder: Path = settings.DATA_DIR / "demo-device"
    return folder


def lan_url(options: HubOptions) -> str | None:
    """Where phones and devices of this network reach the hub; None where HUB_URL says it, or they do not."""
    lan = lan_address() if options.host not in LOOPBACK_HOSTS and not given("HUB_URL") else None
    return f"http://{lan}:{options.port}" if lan else None


def banner_text(options: HubOptions) -> str:
    """Makes a new set-up token while there is no owner."""
    from households.services import setup_token_make

    url = given("HUB_URL").rstrip("/") or f"http://localhost:{options.port}"
    address_note(*(address for address in (url, lan_url(options)) if address))
    token = setup_token_make()
    of_demo = demo_note(demo_dir()) if options.has_demo_device else None
    connections.close_all()
    return banner(
        url=url,
        setup_url=f"{url}/setup/?token={token}" if token else None,
        lan_url=lan_url(options),
        notes=[note for note in (of_demo, speech_models_note()) if note],
    )


def speech_models_note() -> str | None:
    """What the first start offers while only the shipped models speak and listen."""
    from common import speech_models
    from common.speech_models.catalogue import suggested

    in_use = [speech_models.chosen(kind) for kind in speech_models.Kind if speech_models.installed(kind)]
    return speech_note(
        [model.id for model in in_use if model.is_demo],
        [model.id for model in suggested(settings.LANGUAGE_CODE)],
    )


async def _supervise(
    supervisor: Supervisor, servers: EmbeddedServers, options: HubOptions, text: str, began_s: float
) -> None:
    programs = programs_of(options)

    def start_others() -> None:
        for program in programs:
            if not program.is_first:
                supervisor.add(program)

    async def start() -> None:
        for program in programs:
            if program.is_first:
                supervisor.add(program)
        await address_tell(supervisor.log, options, text, began_s, then=start_others)
        if options.ends_when_ready:
            supervisor.stop()
        else:
            await calls_tell(supervisor.log, began_s)

    own = [server for server in (servers.postgres, servers.valkey) if server is not None]
    try:
        await supervisor.run(servers=own, beside=start)
    finally:
        servers.stop()
        supervisor.log.close()


async def address_tell(
    log: LogLines, options: HubOptions, text: str, began_s: float, *, then: Callable[[], None]
) -> None:
    """The address once the web server answers, and `then`. On a slow computer the other way round."""
    if is_ready := await _ready(options):
        ready_tell(log, text, began_s)
    else:
        log.say(
            "hub",
            f"the web server does not answer after {READY_WITHIN_S:.0f} s. What it said stands above; "
            "a slow computer may need minutes, and then the address follows here",
        )
    then()
    while not is_ready:
        if is_ready := await _ready(options):
            ready_tell(log, text, began_s)


def ready_tell(log: LogLines, text: str, began_s: float) -> None:
    log.plain(text)
    log.say("hub", f"ready after {time.monotonic() - began_s:.1f} s")


async def calls_tell(log: LogLines, began_s: float) -> None:
    """Say when a media worker takes calls; nothing where one does already, or where `CALLS_WITHIN_S` pass without."""
    if await asyncio.to_thread(worker_is_there):
        return
    log.say("hub", "calls are possible in a moment: the part that carries the audio still starts")
    deadline_s = time.monotonic() + CALLS_WITHIN_S
    while time.monotonic() < deadline_s:
        await asyncio.sleep(LOOK_EVERY_S)
        if await asyncio.to_thread(worker_is_there):
            log.say("hub", f"calls are possible now, after {time.monotonic() - began_s:.1f} s")
            return


async def failure_tell(name: str) -> None:
    """To the status page, as soon as Redis takes it: it may be what failed."""
    noted = partial(failure_note, part=name, host=socket.gethostname(), at=now())
    while True:
        try:
            await asyncio.to_thread(noted)
        except RedisError:
            await asyncio.sleep(FAILURE_TOLD_EVERY_S)
        else:
            return


async def _ready(options: HubOptions) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)  # noqa: S104
    name = urlsplit(settings.HUB_URL).netloc  # under another one a hub with a public name refuses to answer
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s:
        if await answers_ok(host, options.port, "/healthz", name=name):
            return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False
