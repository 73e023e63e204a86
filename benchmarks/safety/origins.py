"""S3: pages of other origins that open the socket with the cookie of their visitor, in twelve ways."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.environment import django_ready
from benchmarks.figures import Figure, Options, figure

FIGURES: Final = ("S3",)
HOST: Final = "hub.example"
HUB_URL: Final = f"https://{HOST}"
# kind -> what the header says; None: there is none
BAD: Final[dict[str, bytes | None]] = {
    "missing": None,
    "null": b"null",
    "another scheme": b"http://hub.example",
    "another port": b"https://hub.example:8443",
    "a subdomain": b"https://evil.hub.example",
    "a suffix": b"https://hub.example.evil.example",
    "userinfo": b"https://hub.example@evil.example",
    "a look-alike in another script": "https://hub.exаmple".encode(),
    "upper case": b"https://HUB.EXAMPLE",
    "a trailing dot": b"https://hub.example.",
    "a path": b"https://hub.example/",
    "a zero byte": b"https://hub.example\x00",
}


def measure(options: Options) -> list[Figure]:
    os.environ["HUB_URL"] = HUB_URL
    with tempfile.TemporaryDirectory(prefix="hearthline-origins-") as folder:
        django_ready(Path(folder))
        good = asyncio.run(is_let_in(HUB_URL.encode()))
        let_in = [kind for kind, origin in BAD.items() if asyncio.run(is_let_in(origin))]
    refused = len(BAD) - len(let_in) if good else 0  # a gate that lets nobody in proves nothing
    words = f"let in: {', '.join(let_in)}" if let_in else f"{len(BAD)} kinds; the hub's own page is let in"
    return [figure("S3", "bad Origins refused", refused, "", bar=f"= {len(BAD)}", reference=words)]


async def is_let_in(origin: bytes | None) -> bool:
    """Whether a socket with this Origin gets behind the gate with its cookie counting for something."""
    from signaling.origin import OriginGate

    seen: list[bool] = []

    async def application(scope: dict[str, object], receive: object, send: object) -> None:
        seen.append(bool(scope["is_same_origin"]))

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    headers = [(b"host", HOST.encode())] + ([] if origin is None else [(b"origin", origin)])
    await OriginGate(application)({"type": "websocket", "headers": headers}, nothing, nothing)
    return seen == [True]
