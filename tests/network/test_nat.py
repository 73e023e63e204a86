"""Calls through every kind of router: a few cells here, all of them in benchmarks/media/nat.py."""

from collections.abc import Iterator

import pytest

from protocol.messages.connection import IceTransportPolicy
from tests.fakes.coturn import Coturn
from tests.network.calls import call, end_open
from tests.network.lab import Lab, Nat, Side, lab_open

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Coturn]]:
    with lab_open(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.mark.parametrize(
    ("client_nat", "worker_nat"),
    [
        (Nat.OPEN, Nat.OPEN),
        (Nat.CONE, Nat.CONE),
        (Nat.SYMMETRIC, Nat.SYMMETRIC),
        (Nat.UDP_BLOCKED, Nat.OPEN),
        (Nat.CONE, Nat.UDP_BLOCKED),
    ],
)
async def test_sound_gets_through(network: tuple[Lab, Coturn], client_nat: Nat, worker_nat: Nat) -> None:
    lab, turn = network
    lab.configure(Side.CLIENT, client_nat)
    lab.configure(Side.WORKER, worker_nat)
    async with (
        end_open("worker", lab.inside(Side.WORKER)) as worker,
        end_open("client", lab.inside(Side.CLIENT)) as client,
    ):
        attempt = await call(client, worker, turn)
        assert attempt.setup_s is not None, attempt.reason


async def test_a_home_that_hides_its_addresses_is_heard_through_the_relay(
    network: tuple[Lab, Coturn],
) -> None:
    lab, turn = network
    lab.configure(Side.CLIENT, Nat.CONE)
    lab.configure(Side.WORKER, Nat.OPEN)
    async with (
        end_open("worker", lab.inside(Side.WORKER)) as worker,
        end_open("client", lab.inside(Side.CLIENT)) as client,
    ):
        attempt = await call(client, worker, turn, policy=IceTransportPolicy.RELAY)
        assert attempt.setup_s is not None, attempt.reason
