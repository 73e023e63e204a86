"""Addresses of STUN and TURN servers (RFC 7064, RFC 7065)."""

import re
from dataclasses import dataclass
from typing import Final

_URL = re.compile(
    r"(?P<scheme>stun|turn|turns):(?P<host>[A-Za-z0-9._-]{1,253})(?::(?P<port>\d{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
_PORT: Final = 3478
_TLS_PORT: Final = 5349


@dataclass(frozen=True)
class Server:
    """One way to one server. `transport` is udp, tcp or tls."""

    is_turn: bool
    host: str
    port: int
    transport: str

    @property
    def words(self) -> str:
        kind = "TURN" if self.is_turn else "STUN"
        return f"{kind} {self.host}:{self.port} over {self.transport.upper()}"


def server_read(url: str) -> Server:
    """Raises ValueError for what is none, or one that neither browser nor device could use."""
    match = _URL.fullmatch(url)
    if match is None or (match["scheme"], match["transport"]) in (
        ("stun", "tcp"), ("stun", "udp"), ("turns", "udp"),
    ):  # fmt: skip
        raise ValueError("It looks like turn:turn.example.org:3478?transport=udp.")
    is_tls = match["scheme"] == "turns"
    port = int(match["port"] or (_TLS_PORT if is_tls else _PORT))
    if not 0 < port < 65536:
        raise ValueError("The port lies between 1 and 65535.")
    transport = "tls" if is_tls else match["transport"] or "udp"
    return Server(match["scheme"] != "stun", match["host"], port, transport)
