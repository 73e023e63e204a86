"""The first thing behind the server: who asks, and by which scheme, is told by the connection and by nobody else.

Anybody may write any header. So those by which proxies tell of a caller count only from a network of
HUB_TRUSTED_PROXIES, and nothing behind this sees them; nor those whose names Django would take for others, nor
those by which Daphne lets itself be steered.
"""

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

Scope = dict[str, Any]
Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Headers = list[tuple[bytes, bytes]]

# In a scope: whether a proxy, known or not, passed this on.
PASSED_ON: Final = "hearthline.passed_on"
_DROPPED: Final = frozenset(
    (
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"fastly-client-ip",
        b"x-original-host",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-scheme",
        b"front-end-https",
    )
)
_DROPPED_PREFIXES: Final = (b"x-forwarded", b"daphne-", b"x-original-", b"x-envoy-external")
_PASSING: Final = b"via"  # tells of a proxy, and nothing of the caller
_FOR, _PROTO = b"x-forwarded-for", b"x-forwarded-proto"
_SECURE: Final = {"http": "https", "ws": "wss"}


class Edge:
    """For HTTP and for WebSocket. `proxies`: networks, such as 172.31.241.0/24."""

    def __init__(self, application: Application, *, proxies: Iterable[str]) -> None:
        self._application = application
        self._proxies = [ip_network(proxy) for proxy in proxies]

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = self.cleaned(scope)
        await self._application(scope, receive, send)

    def cleaned(self, scope: Scope) -> Scope:
        headers: Headers = [(name.lower(), value) for name, value in scope.get("headers", [])]
        kept = [(name, value) for name, value in headers if not is_dropped(name)]
        clean = scope | {"headers": kept, "root_path": ""}
        clean[PASSED_ON] = len(kept) < len(headers) or any(name == _PASSING for name, _ in headers)
        address, port = scope.get("client") or ("", 0)
        peer = address_of(address)
        if peer is None or not self._trusts(peer):
            return clean
        clean["client"] = [str(self._caller(peer, _values(headers, _FOR))), port]
        if _values(headers, _PROTO)[-1:] == ["https"]:
            clean["scheme"] = _SECURE.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
        return clean

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    def _caller(self, peer: Address, told: list[str]) -> Address:
        """From the right: each trusted proxy tells who asked it, and what is left of it a stranger may have written."""
        caller = peer
        for word in reversed(told):
            if not self._trusts(caller) or (teller := address_of(word)) is None:
                break
            caller = teller
        return caller


def is_dropped(name: bytes) -> bool:
    return name in _DROPPED or b"_" in name or name.startswith(_DROPPED_PREFIXES)


def address_of(text: str) -> Address | None:
    """Also with a port, as some proxies write it, and an IPv4 address that is written as IPv6 as itself."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _values(headers: Headers, wanted: bytes) -> list[str]:
    """All of them in their order: the same header twice is one list (RFC 9110 section 5.3)."""
    lines = [value.decode("latin-1") for name, value in headers if name == wanted]
    return [word.strip().lower() for line in lines for word in line.split(",") if word.strip()]
