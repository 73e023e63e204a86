"""Feels whether what is pushed arrives in this process. When it does again after a pause, all sockets catch up.

While Redis is away pushes are lost, and afterwards nobody says so: the channel layer subscribes again in silence. So
this process sends itself a word every second, over the same connection that all groups of its sockets use.
"""

import asyncio
import time
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import structlog
from channels.layers import get_channel_layer
from prometheus_client import Gauge
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

EVERY_S = 1.0
AWAY_AFTER_S = 3.0
CANCEL_AGAIN_S = 0.5
TASKS = Gauge(
    "hearthline_web_tasks", "What runs at once in the event loop of this process, while there are sockets."
)


class CatchesUp(Protocol):
    async def catch_up(self) -> None:
        """Tell the client what it may have missed. May raise anything."""


class Pulse:
    """One for each event loop, that is for each web process; runs while there are sockets."""

    def __init__(self) -> None:
        self._sockets: set[CatchesUp] = set()
        self._task: asyncio.Task[None] | None = None
        self._felt_at_s = 0.0

    def join(self, socket: CatchesUp) -> None:
        self._sockets.add(socket)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="pulse")

    async def leave(self, socket: CatchesUp) -> None:
        self._sockets.discard(socket)
        if not self._sockets and self._task is not None:
            task, self._task = self._task, None
            while not task.done():  # asyncio.wait_for of Python 3.11, inside the library, may swallow one
                task.cancel()
                await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)

    async def catch_up(self) -> None:
        """All sockets, one after the other."""
        log.info("pushes arrive again", socket_count=len(self._sockets))
        for socket in list(self._sockets):
            try:
                await socket.catch_up()
            except Exception:  # of one socket, and the others wait for their turn
                log.exception("a socket could not catch up")

    async def _run(self) -> None:
        layer = get_channel_layer()
        channel = await self._channel(layer)
        feeling = asyncio.create_task(self._feel(layer, channel), name="pulse felt")
        is_away = False
        try:
            while True:
                TASKS.set(len(asyncio.all_tasks()))
                await _send(layer, channel)
                await asyncio.sleep(EVERY_S)
                was_away, is_away = is_away, time.monotonic() - self._felt_at_s > AWAY_AFTER_S
                if was_away and not is_away:
                    await self.catch_up()
        finally:
            feeling.cancel()
            await asyncio.gather(feeling, return_exceptions=True)

    async def _channel(self, layer: Any) -> str:
        while True:
            try:
                channel: str = await layer.new_channel()
            except (RedisError, OSError):
                await asyncio.sleep(EVERY_S)
            else:
                self._felt_at_s = time.monotonic()
                return channel

    async def _feel(self, layer: Any, channel: str) -> None:
        while True:
            await layer.receive(channel)
            self._felt_at_s = time.monotonic()


async def _send(layer: Any, channel: str) -> None:
    try:
        await layer.send(channel, {"type": "pulse"})
    except (RedisError, OSError) as error:
        log.debug("no pulse", error=type(error).__name__)


_pulses: "WeakKeyDictionary[asyncio.AbstractEventLoop, Pulse]" = WeakKeyDictionary()


def pulse_get() -> Pulse:
    """That of the running loop."""
    return _pulses.setdefault(asyncio.get_running_loop(), Pulse())
