"""Which of its addresses the device reaches the hub from. Sends nothing."""

import socket

_ANY_PORT = 9  # RFC 863, discard: a UDP socket that only looks up its route needs some port


def local_address(hub_address: str) -> str | None:
    """The numeric source address for packets to `hub_address`, also numeric; None where there is no way to it."""
    family = socket.AF_INET6 if ":" in hub_address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((hub_address, _ANY_PORT))
            return str(probe.getsockname()[0])
        except OSError:
            return None
