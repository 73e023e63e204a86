"""aioice's connection on a shared port, and on the way of a peer whose address changes.

The private names used below are those of aioice 0.13; `tests/media/test_guard.py` fails when they change.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from aioice import stun
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, Connection, StunProtocol, server_reflexive_candidate

from media.connection.datagrams import Address, key_of
from media.connection.ports import Lane, PacketHandler, ports

log = structlog.get_logger(__name__)

_USERNAME_BYTES: Final = 6  # 12 letters: no two of a worker are alike, nobody guesses one
_PASSWORD_BYTES: Final = 16  # 128 bits, as RFC 8445 section 5.3 asks for
_LOOK_AGAIN_S: Final = 0.25


def credentials() -> tuple[str, str]:
    """A user name and a password, of letters and digits only (RFC 8839 section 5.4)."""
    return secrets.token_hex(_USERNAME_BYTES), secrets.token_hex(_PASSWORD_BYTES)


def _nothing() -> None:
    """Nobody asked to be told."""


class _Nominated(dict[int, CandidatePair]):
    """The pairs that ICE chose; a change of them is told."""

    def __init__(self, connection: "SharedConnection") -> None:
        super().__init__(connection._nominated)
        self._connection = connection

    def __setitem__(self, component: int, pair: CandidatePair) -> None:
        if self.get(component) is not pair:
            self._connection.detour()
        super().__setitem__(component, pair)

    def clear(self) -> None:
        self._connection.detour()
        super().clear()


class _HostCandidate(Candidate):
    """Of a lane, whose address is known to be one."""

    def can_pair_with(self, other: Candidate) -> bool:
        return (
            self.component == other.component
            and other.transport.lower() == "udp"
            and (":" in self.host) == (":" in other._network_host)
        )


class SharedConnection(Connection):
    """Its host candidates are lanes of the worker's ports. Relayed ones keep sockets of their own."""

    on_rtp: PacketHandler | None
    on_rtcp: PacketHandler | None
    lanes: list[Lane]
    detour: Callable[[], None]  # called when another way is chosen
    _looked_at_s: float

    @classmethod
    def take_over(cls, connection: Any) -> "SharedConnection":
        """Turn a fresh connection into one of these: aiortc has no hook to make it so."""
        connection.__class__ = cls
        connection.on_rtp, connection.on_rtcp = None, None
        connection.lanes, connection._looked_at_s = [], 0.0
        connection.detour = _nothing
        connection._nominated = _Nominated(connection)
        shared: SharedConnection = connection
        return shared

    async def gather_candidates(self) -> None:
        """Once."""
        if not self._local_candidates_start:
            self._local_candidates_start = True
            self._local_candidates += await self.get_component_candidates(1, ports().addresses())
            self._local_candidates_end = True

    def take_candidate(self, candidate: Candidate) -> None:
        """One of the other end, with an address, judged. Ignored after the last one."""
        if not self._closing and not self._remote_candidates_end:
            self._add_remote_candidate(candidate, candidate.host)

    def end_candidates(self) -> None:
        """No more of the other end will come."""
        if not self._closing and not self._remote_candidates_end:
            self._remote_candidates_end = True
            self._end_remote_candidates()

    def check_incoming(self, message: stun.Message, addr: Address, protocol: StunProtocol) -> None:
        """The other end's check came through, so one of ours that is under way there may now do too.

        It may have been lost where the other end's relay did not know us yet. aioice would wait half a second before it
        repeats it; RFC 8445 section 7.3.1.4 does so at once.
        """
        super().check_incoming(message, addr, protocol)
        pairs = (pair for pair in self._check_list if pair.protocol is protocol and pair.remote_addr == addr)
        if not any(pair.state is CandidatePair.State.IN_PROGRESS for pair in pairs):
            return  # what is under way asks for consent, and is sent once
        under_way: list[Any] = list(protocol.transactions.values())
        for transaction in under_way:
            if transaction._Transaction__addr == addr and transaction._Transaction__tries == 1:
                transaction._Transaction__timeout_handle.cancel()
                transaction._Transaction__retry()

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 5,  # noqa: ASYNC109 - aioice's signature
    ) -> list[Candidate]:
        protocols = [protocol for address in addresses if (protocol := self._enter(component, address))]
        self._protocols += protocols
        hosts = [protocol.local_candidate for protocol in protocols]
        if self.stun_server is None and self.turn_server is None:
            return hosts
        relayed, reflexive = await asyncio.gather(
            super().get_component_candidates(component, [], timeout),
            self._reflexive(protocols, wait_s=timeout),
        )
        return hosts + reflexive + relayed

    def _enter(self, component: int, address: str) -> StunProtocol | None:
        protocol = StunProtocol(self)
        try:
            lane = ports().open(address).enter(protocol, self)
        except OSError as error:
            log.info("address_not_used", errno=error.errno)
            return None
        self.lanes.append(lane)
        lane.rtp, lane.rtcp, lane.detour = self.on_rtp, self.on_rtcp, self.detour
        host, port = lane.port.address
        protocol.local_candidate = _HostCandidate(
            foundation=candidate_foundation("host", "udp", host),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=host,
            port=port,
            type="host",
        )
        return protocol

    async def _reflexive(self, protocols: list[StunProtocol], *, wait_s: float) -> list[Candidate]:
        server = self.stun_server
        ipv4 = [protocol for protocol in protocols if ":" not in protocol.local_candidate.host]
        if server is None or not ipv4:
            return []
        tasks = [asyncio.ensure_future(server_reflexive_candidate(protocol, server)) for protocol in ipv4]
        done, pending = await asyncio.wait(tasks, timeout=wait_s)
        for task in pending:
            task.cancel()
        return [task.result()[0] for task in done if task.exception() is None]

    def listen(self, on_rtp: PacketHandler | None, on_rtcp: PacketHandler | None) -> None:
        """Who gets the encrypted packets, once their key is known; None: nobody any more."""
        self.on_rtp, self.on_rtcp = on_rtp, on_rtcp
        for lane in self.lanes:
            lane.rtp, lane.rtcp = on_rtp, on_rtcp

    def on_detour(self, detour: Callable[[], None]) -> None:
        """Who is told when another way is chosen, or an address is another connection's."""
        self.detour = detour
        for lane in self.lanes:
            lane.detour = detour

    def heard_from(self, lane: Lane, address: Address) -> None:
        """The peer's packets come from another address than those to it go to: follow it there.

        Its packets were authentic. That it also receives there is checked first (RFC 8445 section 7.2.5).
        """
        now_s = time.monotonic()
        if now_s - self._looked_at_s < _LOOK_AGAIN_S or self._closing or not self._nominated:
            return
        self._looked_at_s = now_s
        pair = next(
            (p for p in self._check_list if p.protocol is lane.protocol and p.remote_addr == address), None
        )
        if pair is None:
            self._check_list.append(pair := self._learned_pair(lane.protocol, address))
        if pair.state is CandidatePair.State.SUCCEEDED:
            self._nominated[pair.component] = pair
            lane.remote = key_of(address)
        elif pair.task is None:
            self.check_start_task(pair)

    def _learned_pair(self, protocol: StunProtocol, address: Address) -> CandidatePair:
        candidate = Candidate(
            foundation=secrets.token_hex(5),
            component=protocol.local_candidate.component,
            transport="udp",
            priority=candidate_priority(protocol.local_candidate.component, "prflx"),
            host=address[0],
            port=address[1],
            type="prflx",
        )
        candidate._network_host = address[0]
        self._remote_candidates.append(candidate)
        return CandidatePair(protocol, candidate)
