"""Which addresses of a peer the worker sends to."""

from ipaddress import ip_network

import pytest
from aioice import Connection
from aiortc import RTCIceCandidate

from media.connection.candidates import AddressPolicy, AddressRules, RemoteCandidates, networks_read
from media.connection.ice import SharedConnection
from media.connection.sdp import MAX_CANDIDATES, BadSdpError, read_candidate
from media.supervise import Supervisor
from protocol.worker import CandidateScope

pytestmark = pytest.mark.unit

FORBIDDEN = [
    "0.0.0.0", "127.0.0.1", "127.8.8.8", "169.254.1.1", "169.254.169.254", "192.0.0.192", "192.88.99.1",
    "224.0.0.251", "239.255.255.250", "240.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe",
    "100::1", "2001::1", "2002:7f00:1::", "5f00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::fb", "fd00:ec2::254",
    "localhost", "example.org", "1.2.3", "0x7f.1", "2130706433", "",
]  # fmt: skip
PRIVATE = ["10.0.0.7", "172.16.3.3", "192.168.1.20", "100.64.0.9", "fd12::5", "::ffff:10.0.0.7"]
PUBLIC = ["8.8.4.4", "2606:4700::1111", "::ffff:8.8.4.4", "64:ff9b::808:404"]
SCOPES = list(CandidateScope)


def candidate(
    address: str, *, kind: str = "host", port: int = 40_000, protocol: str = "udp"
) -> RTCIceCandidate:
    return RTCIceCandidate(
        component=1, foundation="1", ip=address, port=port, priority=1, protocol=protocol, type=kind
    )


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_packet_goes_where_no_peer_can_be(address: str, scope: CandidateScope) -> None:
    assert not AddressRules().allows(candidate(address, kind="relay"), scope=scope)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_for_members_of_the_household(address: str) -> None:
    assert AddressRules().allows(candidate(address), scope=CandidateScope.HOUSEHOLD)
    assert not AddressRules().allows(candidate(address, kind="srflx"), scope=CandidateScope.PUBLIC)


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize(
    ("scope", "kinds"),
    [
        (CandidateScope.HOUSEHOLD, {"host", "srflx", "relay"}),
        (CandidateScope.PUBLIC, {"srflx", "relay"}),
        (CandidateScope.RELAY, {"relay"}),
    ],
)
def test_each_scope_takes_its_kinds_of_candidates(
    address: str, scope: CandidateScope, kinds: set[str]
) -> None:
    taken = {
        kind
        for kind in ("host", "srflx", "relay")
        if AddressRules().allows(candidate(address, kind=kind), scope=scope)
    }
    assert taken == kinds


def test_the_hubs_own_servers_are_no_peers() -> None:
    rules = AddressRules(service_networks=networks_read(["172.30.0.0/16", "fd99::/64"]))
    for address in ("172.30.0.2", "fd99::2", "::ffff:172.30.0.2"):
        assert not rules.allows_address(address, scope=CandidateScope.HOUSEHOLD)
    assert rules.allows_address("172.31.0.2", scope=CandidateScope.HOUSEHOLD)
    assert networks_read(["10.0.0.0/8"]) == (ip_network("10.0.0.0/8"),)


def test_a_hub_for_its_own_machine_talks_to_this_machine() -> None:
    rules = AddressRules(may_loopback=True)
    assert rules.allows_address("127.0.0.1", scope=CandidateScope.HOUSEHOLD)
    assert rules.allows_address("::1", scope=CandidateScope.HOUSEHOLD)
    assert not rules.allows_address("127.0.0.1", scope=CandidateScope.PUBLIC)


@pytest.mark.parametrize(
    "odd",
    [candidate("8.8.4.4", port=0), candidate("8.8.4.4", port=65_536), candidate("8.8.4.4", protocol="tcp")],
)
def test_only_udp_at_a_port_is_a_way(odd: RTCIceCandidate) -> None:
    assert not AddressRules().allows(odd, scope=CandidateScope.HOUSEHOLD)


def test_names_are_resolved_in_lan_mode_only() -> None:
    name = candidate("0a1b2c3d.local")
    assert not AddressRules().allows(name, scope=CandidateScope.HOUSEHOLD)
    rules = AddressRules(may_resolve_names=True)
    assert rules.allows(name, scope=CandidateScope.HOUSEHOLD)
    assert not rules.allows(name, scope=CandidateScope.PUBLIC)
    assert not rules.allows(name, scope=CandidateScope.RELAY)


async def test_a_thousand_candidates_leave_thirty_two() -> None:
    tasks, connection = Supervisor("test"), SharedConnection.take_over(Connection(ice_controlling=False))
    found = RemoteCandidates(connection, policy=AddressPolicy(), tasks=tasks)
    refusals = []
    for n in range(1000):
        try:
            found.take(read_candidate(f"1 1 udp 1 198.51.100.{n % 250} {40_000 + n} typ host"))
        except BadSdpError as error:
            refusals.append(str(error))
    assert found.kept == MAX_CANDIDATES
    assert refusals == ["A connection may offer at most 32 network addresses."]
    await tasks.aclose()
    await connection.close()


async def test_a_peer_whose_addresses_are_all_refused_may_still_come_by_itself() -> None:
    """aioice would give up at the end of no candidates, though the peer's own checks tell where it is."""
    tasks, connection = Supervisor("test"), SharedConnection.take_over(Connection(ice_controlling=False))
    found = RemoteCandidates(connection, policy=AddressPolicy(), tasks=tasks)
    found.take(candidate("169.254.169.254"))
    found.end()
    assert found.kept == 0
    assert not connection._remote_candidates_end
    await tasks.aclose()
    await connection.close()
