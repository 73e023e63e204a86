"""A house in which one call goes on while parts of its hub fail, on this machine alone. Its Redis is the test's own."""

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from playwright.sync_api import WebSocket

from common.database.base import ALL
from config.embedded import default_database_url
from config.valkey import ValkeyServer
from tests.e2e.far import LISTEN, Talk, tone_write
from tests.e2e.house import Device, House, house_open
from tests.operate.hub_process import commands_of

_WEB_WITHIN_S: Final = 5.0
COPIES_MISSING: Final = """
    select count(*) from calls_call call
    where state = 'ended' and not exists (select 1 from calls_listeningcopy where call_id = call.id)
"""


@dataclass(frozen=True)
class Away:
    """What came of a time without Redis.

    `call_s`: from its return until a new call was heard at both ends. `right_s`: until the one before had its listening
    copy too, which is a task's work.
    """

    gap_s: float
    sockets_dropped: int
    wrong_health: int
    call_s: float
    right_s: float


@dataclass
class NearHouse(Talk):
    """`closed_sockets` are those of the page, so far."""

    house: House
    valkey: ValkeyServer
    closed_sockets: list[str] = field(default_factory=list)

    def watch(self, socket: WebSocket) -> None:
        socket.on("close", lambda closed: self.closed_sockets.append(closed.url))

    def health(self) -> tuple[int, int]:
        """The status of /healthz and of /readyz."""
        return self._status("/healthz"), self._status("/readyz")

    def times_online(self) -> int:
        """How often the device connected."""
        return self.agent_log().count("is online")

    def workers(self) -> list[psutil.Process]:
        """The children of `python -m media`."""
        commands = commands_of(self.house.hub.data_dir)
        media = [process for process, words in commands.items() if "media" in words[-1:]]
        return [process for process in media if process.ppid() in {one.pid for one in media}]

    def web(self) -> psutil.Process:
        """The process of the pages."""
        commands = commands_of(self.house.hub.data_dir)
        [found] = [process for process, words in commands.items() if "daphne" in words]
        return found

    def worker_with_call(self) -> psutil.Process:
        """The one whose process talks UDP: its port is open while it has a call."""
        [found] = [process for process in self.workers() if process.net_connections("udp")]
        return found

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """From the hub's own database."""
        url = default_database_url(self.house.hub.data_dir)
        with psycopg.connect(url, options=f"-c hearthline.household={ALL}") as connection:
            return connection.execute(question).fetchall()

    def until_rows(self, question: str, wanted: list[tuple[Any, ...]], *, within_s: float = 60) -> None:
        deadline_s = time.monotonic() + within_s
        while (found := self.rows(question)) != wanted:
            if time.monotonic() > deadline_s:
                raise AssertionError(f"{question}: {found}")
            self.page.wait_for_timeout(200)

    def redis_away(self, *, seconds: float, is_killed: bool) -> "Away":
        """In the call that goes on: it hangs, or is killed and comes back empty. Then another call is made."""
        self.listen_anew()
        online, closed = self.times_online(), len(self.closed_sockets)
        looks = []
        (self.redis_kill if is_killed else self.redis_stop)()
        away_s = time.monotonic()
        while time.monotonic() - away_s < seconds:
            looks.append(self.health())
            self.page.wait_for_timeout(500)
        (self.redis_start if is_killed else self.redis_continue)()
        back_s = time.monotonic()
        self.page.wait_for_timeout(2000)  # a gap may come late
        gap_s = max(self.longest_gap_s().values())
        dropped = self.times_online() - online + len(self.closed_sockets) - closed
        while self.health() != (200, 200):
            self.page.wait_for_timeout(100)
        self.hang_up()
        self.call()
        call_s = time.monotonic() - back_s
        self.until_rows(COPIES_MISSING, [(0,)])
        wrong = sum(look != (200, 503) for look in looks)
        return Away(gap_s, dropped, wrong, call_s, time.monotonic() - back_s)

    def redis_stop(self) -> None:
        """It hangs: what was sent to it waits."""
        self._redis_signal(signal.SIGSTOP)

    def redis_continue(self) -> None:
        self._redis_signal(signal.SIGCONT)

    def redis_kill(self) -> None:
        self._redis_signal(signal.SIGKILL)
        if self.valkey.process is not None:
            self.valkey.process.wait()

    def redis_start(self) -> None:
        """Empty."""
        self.valkey.start()

    def _redis_signal(self, number: signal.Signals) -> None:
        if self.valkey.process is None:
            raise RuntimeError("Redis was not started.")
        os.kill(self.valkey.process.pid, number)

    def _status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.house.url + path, timeout=_WEB_WITHIN_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@contextmanager
def near_house_open(folder: Path, *, is_calling: bool = True) -> Iterator[NearHouse]:
    """With its owner's page in a call already, or before the first one."""
    with ExitStack() as stack:
        sockets = folder / "redis"
        sockets.mkdir(mode=0o700)
        valkey = ValkeyServer(sockets / "data", socket_dir=sockets, durable=False)
        valkey.start()
        stack.callback(valkey.stop)
        house = stack.enter_context(
            house_open(
                folder,
                microphone=tone_write(folder / "caller.wav", hz=700),
                loops=True,
                environment={"REDIS_URL": valkey.url},
            )
        )
        device = Device(folder / "kitchen", house.url, tone_write(folder / "device.wav", hz=1000), loops=True)
        context = house.context()
        context.add_init_script(LISTEN)
        page = context.new_page()
        house.set_up(page)
        device.start()
        stack.callback(device.stop)
        house.claim(page, device, room="Kitchen")
        near = NearHouse(
            page, device, page.url.removeprefix(house.url).removesuffix("joining/"), house, valkey
        )
        page.on("websocket", near.watch)
        if is_calling:
            near.call()
        yield near
