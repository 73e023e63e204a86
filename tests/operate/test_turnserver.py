"""docker/turnserver.conf in the coturn that Debian ships."""

import asyncio
import ssl
from collections.abc import Iterator

import pytest

from tests.fakes.coturn import PUBLIC, SPECIAL_PURPOSE, Coturn, coturn, credential, permits
from turn.client import TurnError, turn_open
from turn.servers import server_read

pytestmark = pytest.mark.integration

STALE_AFTER_S = 1


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    words = ("--relay-ip=::1", f"--stale-nonce={STALE_AFTER_S}")
    with coturn(tmp_path_factory.mktemp("turn"), words=words) as server:
        yield server


def test_coturn_takes_every_line_of_the_configuration(turn: Coturn) -> None:
    text = turn.log.read_text()
    assert "Bad configuration format" not in text
    assert "CONFIG ERROR" not in text


async def test_coturn_relays_to_no_special_purpose_address_and_to_the_public_internet(turn: Coturn) -> None:
    assert await permits(turn, SPECIAL_PURPOSE) == dict.fromkeys(SPECIAL_PURPOSE, False)
    assert await permits(turn, PUBLIC) == dict.fromkeys(PUBLIC, True)


async def test_coturn_relays_to_the_address_of_the_media_worker(turn: Coturn) -> None:
    assert await permits(turn, ["127.0.0.99", "127.0.0.98"]) == {"127.0.0.99": True, "127.0.0.98": False}


@pytest.mark.parametrize("way", [0, 1, 2])
async def test_every_way_gets_an_allocation_with_a_credential_of_the_hub_only(turn: Coturn, way: int) -> None:
    server, tls = server_read(turn.urls[way]), ssl.create_default_context(cafile=str(turn.certificate))
    username, password = credential(60)
    async with turn_open(server, username=username, credential=password, tls=tls) as client:
        assert (await client.bind())[0] == "127.0.0.1"
        assert (await client.allocate())[1] >= 49160
    for wrong in (credential(-1), credential(60, secret="forged"), (username, "")):
        async with turn_open(server, username=wrong[0], credential=wrong[1], tls=tls) as client:
            with pytest.raises(TurnError) as refusal:
                await client.allocate()
            assert refusal.value.code == 401


async def test_an_allocation_outlives_the_credential_that_it_was_made_with(turn: Coturn) -> None:
    """So a call may last longer than ten minutes; a new connection needs a new credential."""
    username, password = credential(2)
    async with turn_open(server_read(turn.urls[0]), username=username, credential=password) as client:
        await client.allocate()
        await asyncio.sleep(2 * STALE_AFTER_S + 1.2)  # the server's clock, which no test can turn
        assert await client.refresh(600) == 600
        await client.permit(("127.0.0.99", 5000))
    async with turn_open(server_read(turn.urls[0]), username=username, credential=password) as client:
        with pytest.raises(TurnError):
            await client.allocate()


async def test_one_end_of_a_call_has_a_dozen_allocations_at_most(turn: Coturn) -> None:
    username, password = credential(60, identity="greedy")
    async with asyncio.timeout(30):
        made, code = 0, 0
        clients = []
        while not code:
            opening = turn_open(server_read(turn.urls[0]), username=username, credential=password)
            client = await opening.__aenter__()
            clients.append(opening)
            try:
                await client.allocate()
                made += 1
            except TurnError as error:
                code = error.code
        for opening in clients:
            await opening.__aexit__(None, None, None)
    assert (made, code) == (12, 486)  # Allocation Quota Reached
