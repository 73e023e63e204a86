"""Which STUN and TURN server is used, where several are offered and not all answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from protocol.messages.connection import IceServer
from tests.fakes.coturn import Coturn, coturn
from tests.network.stalls import Stalls
from tests.operate.hub_process import free_port
from turn.choice import _ANSWER_WITHIN_S, ServerChoice
from turn.servers import server_read

pytestmark = pytest.mark.integration

SLOW_S = 0.8  # later than what is asked by UDP has a lead
PATIENCE_S = 30.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for those that do not answer, waits so long that no slow computer is taken for it."""
    monkeypatch.setattr("turn.choice._ANSWER_WITHIN_S", PATIENCE_S)


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("turn")) as server:
        yield server


@pytest.fixture(scope="module")
def tcp_turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("turn"), words=("--no-udp",)) as server:
        yield server


def offered(*urls: str) -> list[IceServer]:
    return [IceServer(urls=list(urls), username="u", credential="c")]


def dead(transport: str) -> str:
    return f"turn:127.0.0.1:{free_port()}?transport={transport}"


async def test_udp_is_the_first_choice(turn: Coturn) -> None:
    stun = f"stun:{turn.ip}:{turn.port}"
    chosen = await ServerChoice().choose([IceServer(urls=[stun]), *offered(*reversed(turn.urls))])
    assert [server.urls for server in chosen] == [[stun], [turn.urls[0]]]
    assert (chosen[1].username, chosen[1].credential) == ("u", "c")


async def test_where_udp_does_not_get_through_tcp_does_and_stun_is_left_out(
    tcp_turn: Coturn, patient: None
) -> None:
    began_s = time.monotonic()
    stun = IceServer(urls=[f"stun:{tcp_turn.ip}:{tcp_turn.port}"])
    chosen = await ServerChoice().choose([stun, *offered(*tcp_turn.urls)])
    assert [server.urls for server in chosen] == [[tcp_turn.urls[1]]]
    assert time.monotonic() - began_s < PATIENCE_S / 2  # without waiting for those that do not answer


@asynccontextmanager
async def slow_gateway(server: Coturn) -> AsyncIterator[str]:
    """The URL of a way to `server` by TCP that takes its time for the one answer it brings."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(server.ip, server.port)
        far_writer.write(await reader.read(1500))
        answer = await far_reader.read(1500)
        await asyncio.sleep(SLOW_S)
        writer.write(answer)
        await reader.read()  # until whoever asked is gone
        far_writer.close()
        writer.close()

    gateway = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with gateway:
        yield f"turn:127.0.0.1:{gateway.sockets[0].getsockname()[1]}?transport=tcp"


async def test_a_slow_way_by_tcp_is_taken_as_soon_as_it_answers(tcp_turn: Coturn, patient: None) -> None:
    async with slow_gateway(tcp_turn) as url:
        began_s = time.monotonic()
        chosen = await ServerChoice().choose(offered(tcp_turn.urls[0], url, dead("udp")))
        assert [server.urls for server in chosen] == [[url]]
        assert time.monotonic() - began_s < PATIENCE_S / 2  # without waiting for those that do not answer


async def test_servers_that_do_not_answer_hold_nothing_up() -> None:
    choice, began_s = ServerChoice(), time.monotonic()
    urls = (dead("udp"), dead("tcp"), f"turns:127.0.0.1:{free_port()}", "turn:no-such-host.invalid")
    async with Stalls() as stalls:
        assert await choice.choose(offered(*urls)) == []
    asked_s = time.monotonic() - began_s
    assert asked_s < _ANSWER_WITHIN_S + 2 + stalls.longest_s
    began_s = time.monotonic()
    assert await choice.choose(offered(*urls)) == []  # remembered
    assert time.monotonic() - began_s < asked_s / 4


async def test_what_was_remembered_is_asked_again_after_a_while(turn: Coturn) -> None:
    now_s = 100.0
    choice = ServerChoice(remembers_s=30, clock=lambda: now_s)
    assert await choice.choose(offered(*turn.urls))
    turn_later = offered(*turn.urls)
    now_s += 31
    assert await choice.choose(turn_later)
    choice.forget()
    assert await choice.choose(turn_later)


async def test_a_relay_that_comes_late_is_used_by_the_next_connection_but_one(tmp_path: Path) -> None:
    now_s, port = 100.0, free_port()
    choice, servers = ServerChoice(clock=lambda: now_s), offered(f"turn:127.0.0.1:{port}?transport=tcp")
    assert await choice.choose(servers) == []
    with coturn(tmp_path, port=port):
        now_s += 2
        assert await choice.choose(servers) == []  # at once; and it is asked anew meanwhile
        async with asyncio.timeout(10):
            while not await choice.choose(servers):
                now_s += 2
                await asyncio.sleep(0.05)
    await choice.aclose()


@pytest.mark.parametrize(
    "url",
    ["http://x", "stun:", "turn:a?transport=sctp:::", "stun:a?transport=udp", "turns:a?transport=udp", "turn:a:70000",
     "turn:a:0", "turn:[::1]:3478", ""],
)  # fmt: skip
async def test_what_is_no_server_is_left_out(url: str) -> None:
    with pytest.raises(ValueError, match=r"\."):
        server_read(url)
    assert await ServerChoice().choose(offered(url)) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("stun:a", "STUN a:3478 over UDP"),
        ("turn:a.example.org", "TURN a.example.org:3478 over UDP"),
        ("turn:a:443?transport=tcp", "TURN a:443 over TCP"),
        ("turns:a", "TURN a:5349 over TLS"),
    ],
)
def test_an_address_has_its_usual_port_and_transport(url: str, words: str) -> None:
    assert server_read(url).words == words
