"""Who asks is told by the connection, and by proxies that are known."""

from typing import Any

import pytest
from channels.testing import ApplicationCommunicator

from config.edge import PASSED_ON, Edge, Scope

pytestmark = pytest.mark.unit

PROXIES = ["172.31.241.0/24", "10.0.0.1/32", "::1/128"]
FORWARDED = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"]


async def through(peer: str, *headers: tuple[str, str], kind: str = "http") -> Scope:
    """What the application behind the edge sees."""
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope: Scope = {
        "type": kind,
        "scheme": "http" if kind == "http" else "ws",
        "client": [peer, 5000],
        "root_path": "/set-by-a-stranger",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    await ApplicationCommunicator(Edge(application, proxies=PROXIES), scope).wait()
    return seen[0]


def names(scope: Scope) -> list[str]:
    return [name.decode() for name, _ in scope["headers"]]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("name", FORWARDED)
async def test_a_stranger_stays_who_they_are_whatever_they_write(kind: str, name: str) -> None:
    scope = await through("203.0.113.9", (name, "127.0.0.1"), ("Host", "hub"), kind=kind)
    assert scope["client"] == ["203.0.113.9", 5000]
    assert names(scope) == ["host"]
    assert scope[PASSED_ON]


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X_Forwarded_For",
        "Remote_User",
        "Daphne-Root-Path",
        "X-Original-URL",
        "X-Rewrite-URL",
    ],
)
async def test_what_would_steer_the_hub_ends_here_also_from_a_proxy(name: str) -> None:
    for peer in ("203.0.113.9", "172.31.241.5"):
        scope = await through(peer, (name, "https"), ("Cookie", "a=b"))
        assert names(scope) == ["cookie"]
        assert scope["root_path"] == ""


@pytest.mark.parametrize(
    ("told", "caller"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["127.0.0.1, 198.51.100.7"], "198.51.100.7"),  # the left one is the stranger's own
        (["127.0.0.1", "198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7, 10.0.0.1"], "198.51.100.7"),  # two proxies
        (["203.0.113.1, 198.51.100.7, 10.0.0.1, 172.31.241.9"], "198.51.100.7"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["somewhere"], "172.31.241.5"),
        (["198.51.100.7, somewhere"], "172.31.241.5"),
        ([""], "172.31.241.5"),
        ([], "172.31.241.5"),
    ],
)
async def test_of_what_a_proxy_tells_the_rightmost_stranger_counts(told: list[str], caller: str) -> None:
    headers = [("X-Forwarded-For", words) for words in told]
    assert (await through("172.31.241.5", *headers))["client"][0] == caller


@pytest.mark.parametrize("name", FORWARDED[1:])
async def test_a_proxy_is_heard_in_one_header_only(name: str) -> None:
    assert (await through("172.31.241.5", (name, "198.51.100.7")))["client"][0] == "172.31.241.5"


async def test_only_a_proxy_says_that_it_was_https() -> None:
    secure = ("X-Forwarded-Proto", "https")
    assert (await through("203.0.113.9", secure))["scheme"] == "http"
    assert (await through("172.31.241.5", secure))["scheme"] == "https"
    assert (await through("172.31.241.5", secure, kind="websocket"))["scheme"] == "wss"
    assert (await through("172.31.241.5", ("X-Forwarded-Proto", "https, http")))["scheme"] == "http"


async def test_a_caller_without_a_proxy_is_known_as_one() -> None:
    scope = await through("203.0.113.9", ("Host", "hub"))
    assert scope[PASSED_ON] is False
    assert (await through("203.0.113.9", ("Via", "1.1 somebody")))[PASSED_ON] is True


async def test_what_is_no_request_passes_as_it_is() -> None:
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        seen.append(scope)

    await ApplicationCommunicator(Edge(application, proxies=[]), {"type": "lifespan"}).wait()
    assert seen == [{"type": "lifespan"}]
