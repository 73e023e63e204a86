"""Which way a connection takes: the selected candidate pair by kind, never by address."""

from typing import Any


def selected_path(connection: Any) -> str:
    """ "host srflx udp": own candidate type, the other side's, and the protocol; "" before a pair is selected."""
    pair = connection._nominated.get(1)
    if pair is None:
        return ""
    local, remote = pair.local_candidate, pair.remote_candidate
    return f"{local.type} {remote.type} {local.transport.lower()}"
