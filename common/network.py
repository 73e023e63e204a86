"""Where this machine is in its own network."""

import socket

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def lan_address() -> str | None:
    """The address of this machine in its own network; None without one. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737: connect(2) on UDP only chooses a route
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address
