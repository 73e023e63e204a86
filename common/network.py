"""Where this machine is in its own network."""

import socket
from ipaddress import IPv6Address, IPv6Network, ip_address

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_IPV6_HOME_BITS = 64  # what a home or a phone is given, RFC 6177: it may choose all of the rest


def lan_address() -> str | None:
    """The address of this machine in its own network; None without one. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737: connect(2) on UDP only chooses a route
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def address_group(address: str) -> str:
    """Under which an address is counted: IPv4 as it is, also written as IPv6; IPv6 by its network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), _IPV6_HOME_BITS), strict=False).network_address)
