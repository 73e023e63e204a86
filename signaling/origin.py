"""Which pages may open a socket with the cookie of their visitor."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from protocol.errors import CloseCode

Application = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]


class OriginGate:
    """Sets scope["is_same_origin"]. A foreign Origin is refused; without one a cookie counts for nothing.

    Scheme, host and port all count: Channels' own validator looks at the host alone.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        headers = dict(scope.get("headers", []))
        origin = headers.get(b"origin")
        if origin is not None and not is_same_origin(
            origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
        ):
            await send({"type": "websocket.close", "code": int(CloseCode.NOT_SIGNED_IN)})
            return
        await self._application({**scope, "is_same_origin": origin is not None}, receive, send)


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin belongs to the hub as it was reached under `host`, or under HUB_URL."""
    try:
        parts = urlsplit(origin)
        _ = parts.port
    except ValueError:
        return False
    if origin != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc or origin != origin.lower():
        return False
    if origin == settings.HUB_URL:
        return True
    if settings.IS_HUB_URL_SET and settings.ALLOWED_HOSTS != ["*"]:
        return False
    scheme = "https" if settings.IS_HTTPS else "http"
    default_port = 443 if scheme == "https" else 80
    return parts.scheme == scheme and _with_port(parts.netloc, default_port) == _with_port(host, default_port)


def _with_port(host: str, default_port: int) -> str:
    """`host` as the header Host says it, where an IPv6 address stands in brackets."""
    return host if re.search(r":\d+$", host) else f"{host}:{default_port}"
