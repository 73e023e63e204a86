"""Which of several STUN and TURN servers to use from here: aioice takes one of each.

A server that does not answer would hold every connection up for five seconds, so each is asked first. UDP is
the best way for sound; TCP and TLS get through firewalls that let no UDP out.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from protocol.messages.connection import IceServer
from turn.client import TurnError, turn_open
from turn.servers import Server, server_read

_ORDER: Final = ("udp", "tcp", "tls")
_ANSWER_WITHIN_S: Final = 3.0
_ASK_AGAIN_S: Final = 1.0  # where none answered
_UDP_LEAD_S: Final = 0.3  # that long the others wait for an answer by UDP, once they have theirs


class ServerChoice:
    """Remembers what answered for `remembers_s`, by server; `forget` when the network changed."""

    def __init__(self, *, remembers_s: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._remembers_s, self._clock = remembers_s, clock
        self._known: dict[tuple[Server, ...], tuple[float, frozenset[Server]]] = {}
        self._asking: dict[tuple[Server, ...], asyncio.Task[frozenset[Server]]] = {}

    def forget(self) -> None:
        self._known.clear()

    async def choose(self, offered: Sequence[IceServer]) -> list[IceServer]:
        """At most one STUN and one TURN server that answer from here; none is possible."""
        ways = [(server, url, ice) for ice in offered for url in ice.urls if (server := _server(url))]
        if not ways:
            return []
        answering = await self._answering(tuple(dict.fromkeys(server for server, _, _ in ways)))
        ways.sort(key=lambda way: _ORDER.index(way[0].transport))
        chosen: list[IceServer] = []
        for is_turn in (False, True):
            found = [way for way in ways if way[0].is_turn is is_turn and way[0] in answering]
            chosen += [ice.model_copy(update={"urls": [url]}) for _, url, ice in found[:1]]
        return chosen

    async def aclose(self) -> None:
        """Ends what still asks."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _answering(self, servers: tuple[Server, ...]) -> frozenset[Server]:
        """Several connections that are made at once ask once.

        Where no relay answered, the next connection does not wait again: it goes on without, while they are asked
        anew, since one answer that came late must not cost calls for a minute.
        """
        asked_at, answering = self._known.get(servers, (0.0, frozenset[Server]()))
        age_s, is_known = self._clock() - asked_at, servers in self._known
        has_all = any(server.is_turn for server in answering) or not any(server.is_turn for server in servers)
        if is_known and age_s < (self._remembers_s if has_all else _ASK_AGAIN_S):
            return answering
        asking = self._asking.get(servers)
        if asking is None:
            asking = self._asking[servers] = asyncio.create_task(self._ask(servers), name="turn.ask")
            asking.add_done_callback(lambda _: self._asking.pop(servers, None))
        return answering if is_known and not has_all else await asyncio.shield(asking)

    async def _ask(self, servers: tuple[Server, ...]) -> frozenset[Server]:
        answering = await _ask(servers)
        self._known = {servers: (self._clock(), answering)}
        return answering


async def _ask(servers: Sequence[Server]) -> frozenset[Server]:
    """Those that answered: all that speak UDP where one does, else those behind TCP."""
    asks = {asyncio.create_task(_answers(server), name="turn.probe"): server for server in servers}
    by_udp = {task for task, server in asks.items() if server.transport == "udp"}
    try:
        if by_udp:
            await asyncio.wait(by_udp, timeout=_UDP_LEAD_S)
        if not any(task.done() and task.result() for task in by_udp):
            await _first(asks)
        return frozenset(server for task, server in asks.items() if task.done() and task.result())
    finally:
        for task in asks:
            task.cancel()
        await asyncio.gather(*asks, return_exceptions=True)


async def _first(tasks: Iterable[asyncio.Task[bool]]) -> None:
    """Until one of them is true, or all have ended."""
    for ended in asyncio.as_completed(tasks):
        if await ended:
            return


async def _answers(server: Server) -> bool:
    with contextlib.suppress(OSError, TurnError, ValueError):
        async with asyncio.timeout(_ANSWER_WITHIN_S), turn_open(server) as client:
            await client.bind(within_s=_ANSWER_WITHIN_S)
            return True
    return False


def _server(url: str) -> Server | None:
    try:
        return server_read(url)
    except ValueError:
        return None
