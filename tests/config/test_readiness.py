"""Whether the hub answers is asked under the name by which people reach it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from config.readiness import answers_ok

pytestmark = pytest.mark.integration

NAME = "hub.example.net"


@pytest.fixture
async def picky_port() -> AsyncIterator[int]:
    """A server that answers 200 to its own name and 400 to any other, as Django does with ALLOWED_HOSTS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if f"\r\nHost: {NAME}\r\n".encode() in asked else b"400 Bad Request"
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_hub_with_a_public_name_is_asked_under_that_name(picky_port: int) -> None:
    assert await answers_ok("127.0.0.1", picky_port, "/healthz", name=NAME)


async def test_an_answer_that_is_not_ok_counts_as_none(picky_port: int) -> None:
    assert not await answers_ok("127.0.0.1", picky_port, "/healthz")
