"""Which addresses of a peer the worker may send to.

An ICE candidate is an address that a stranger makes us send packets to, so each one is judged before aioice
sees it. What the peer shows by sending from an address itself (peer-reflexive) needs no such judgement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aioice.ice import get_or_create_mdns_protocol, unref_mdns_protocol
from aiortc import RTCIceCandidate
from aiortc.rtcicetransport import candidate_to_aioice

from media.connection.ice import SharedConnection
from media.connection.sdp import MAX_CANDIDATES, BadSdpError
from media.supervise import Supervisor
from protocol.worker import CandidateScope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Never a peer: IANA's special-purpose registries (RFC 6890), and where clouds keep what instances may ask.
_FORBIDDEN: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32",
        "::/96", "100::/63", "2001::/23", "2002::/16", "5f00::/16", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_LOOPBACK: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# Addresses that carry an IPv4 address: mapped (RFC 4291) and translated (RFC 6052, RFC 8215).
_CARRIERS: Final[tuple[IPv6Network, ...]] = tuple(
    IPv6Network(text) for text in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/96")
)


@dataclass(frozen=True, kw_only=True)
class AddressRules:
    """What holds for the whole worker.

    `may_loopback`: for a hub that serves this machine only. `may_resolve_names`: ask the local network for the
    addresses behind mDNS names. `service_networks`: of the hub's own servers, where no peer can be.
    """

    may_loopback: bool = False
    may_resolve_names: bool = False
    service_networks: tuple[Network, ...] = ()

    def allows_address(self, text: str, *, scope: CandidateScope) -> bool:
        """False also for what is no address."""
        try:
            address = _unwrapped(ip_address(text))
        except ValueError:
            return False
        if _is_in(address, _LOOPBACK):
            return self.may_loopback and scope is not CandidateScope.PUBLIC
        if _is_in(address, _FORBIDDEN) or _is_in(address, self.service_networks):
            return False
        return address.is_global or scope is not CandidateScope.PUBLIC

    def allows(self, candidate: RTCIceCandidate, *, scope: CandidateScope) -> bool:
        """An mDNS name is allowed here; `allows_address` has to judge what it stands for."""
        if candidate.component != 1 or candidate.protocol.lower() != "udp" or not 0 < candidate.port <= 65535:
            return False
        if scope is CandidateScope.RELAY and candidate.type != "relay":
            return False
        if scope is CandidateScope.PUBLIC and candidate.type not in ("relay", "srflx"):
            return False
        if is_name(candidate.ip):
            return self.may_resolve_names and scope is CandidateScope.HOUSEHOLD
        return self.allows_address(candidate.ip, scope=scope)


@dataclass(frozen=True, kw_only=True)
class AddressPolicy:
    """The rules, for one leg."""

    scope: CandidateScope = CandidateScope.HOUSEHOLD
    rules: AddressRules = AddressRules()

    def allows(self, candidate: RTCIceCandidate) -> bool:
        return self.rules.allows(candidate, scope=self.scope)

    def allows_address(self, text: str) -> bool:
        return self.rules.allows_address(text, scope=self.scope)


class RemoteCandidates:
    """The other end's candidates of one connection: counted, judged, and handed to ICE."""

    def __init__(self, connection: SharedConnection, *, policy: AddressPolicy, tasks: Supervisor) -> None:
        self._connection, self._policy, self._tasks = connection, policy, tasks
        self._offered = self.kept = 0
        self._resolving = 0
        self._has_ended = False

    def take(self, candidate: RTCIceCandidate) -> None:
        """Drops what the policy does not allow. Raises BadSdpError with the first one that is too many."""
        self._offered += 1
        if self._offered == MAX_CANDIDATES + 1:
            raise BadSdpError(f"A connection may offer at most {MAX_CANDIDATES} network addresses.")
        if self._offered > MAX_CANDIDATES or self._has_ended or not self._policy.allows(candidate):
            return
        if is_name(candidate.ip):
            self._resolving += 1
            self._tasks.spawn(self._resolve(candidate), name="ice_candidate_name")
        else:
            self._keep(candidate)

    def end(self) -> None:
        """No more will come. Where none was kept, aioice is not told: it would not wait for the peer's checks."""
        self._has_ended = True
        if self.kept and not self._resolving:
            self._connection.end_candidates()

    def _keep(self, candidate: RTCIceCandidate) -> None:
        self.kept += 1
        self._connection.take_candidate(candidate_to_aioice(candidate))

    async def _resolve(self, candidate: RTCIceCandidate) -> None:
        """aioice would resolve the name too, and then send to whatever address was answered."""
        try:
            address = await (await get_or_create_mdns_protocol(self)).resolve(candidate.ip)
            if address is not None and self._policy.allows_address(address):
                candidate.ip = address
                self._keep(candidate)
        finally:
            self._resolving -= 1
            await unref_mdns_protocol(self)
            if self._has_ended:
                self.end()


def networks_read(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no network, such as 172.30.0.1/16."""
    return tuple(ip_network(text) for text in texts)


def is_name(text: str) -> bool:
    """An mDNS name in the place of an address (draft-ietf-mmusic-mdns-ice-candidates)."""
    return text.lower().endswith(".local")


def _unwrapped(address: Address) -> Address:
    if isinstance(address, IPv6Address) and any(address in carrier for carrier in _CARRIERS):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
