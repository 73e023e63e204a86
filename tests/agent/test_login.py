"""Whose word the agent takes for its hub's: what the CA signed that came with the claim, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.identity import HubWord
from protocol.messages.household import Unclaimed
from tests.agent.conftest import QUICK, Eventually, StartAgent
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration


def another() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("says_unclaimed", [False, True], ids=["welcome", "unclaimed"])
@pytest.mark.parametrize("signs_with", [None, another()], ids=["no proof", "another hub's proof"])
async def test_a_hub_that_only_says_that_it_is_ours_gets_nothing(
    hub: FakeHub,
    start_agent: StartAgent,
    signs_with: ec.EllipticCurvePrivateKey | None,
    says_unclaimed: bool,
) -> None:
    async with start_agent():
        await hub.online()
    hub.signs_with, hub.says_unclaimed = signs_with, says_unclaimed
    async with start_agent() as agent:
        await hub.until(lambda: hub.challenge_count >= 4)
        assert not agent.online.is_set()
        assert agent.identity.is_claimed
        assert hub.refused_logins == 0
        hub.signs_with, hub.says_unclaimed = hub.ca_key, False
        await hub.until(agent.online.is_set)
    assert len(hub.authorizations) == 1


async def test_it_does_not_forget_its_household_by_a_word_that_nobody_proved(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        nonce = hub.hellos[0].nonce
        welcome = hub.proof(HubWord.WELCOME, nonce)
        of_another_connection = hub.proof(HubWord.UNCLAIMED, "x" * 43)
        for count, proof in enumerate([None, "", "no base64", welcome, of_another_connection], start=2):
            await hub.send(Unclaimed(reason="Forget it.", proof=proof))
            await hub.online(count=count)  # it left, and came back as the one that it was
            assert agent.identity.is_claimed
        await hub.send(hub.unclaimed(hub.hellos[-1].nonce))
        await eventually(lambda: len(hub.authorizations) == 2)


async def test_it_forgets_its_household_only_when_its_hub_did_not_know_it_for_a_long_time(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    """Its claim is newer than the backup from which the hub was restored."""
    async with start_agent(timings=replace(QUICK, not_known_s=1.0)) as agent:
        await hub.online()
        hub.says_unknown = True
        await hub.cut()
        await hub.until(lambda: hub.challenge_count >= 4)
        assert agent.identity.is_claimed
        hub.says_unknown = False  # the right rows are back
        await hub.online(count=2)
        assert agent.identity.is_claimed
        hub.says_unknown = True
        await hub.cut()
        await eventually(lambda: len(hub.authorizations) == 2)
        hub.says_unknown = False
        await hub.online(count=3)


@pytest.mark.parametrize("signs_with", [None, another()], ids=["no proof", "another hub's proof"])
async def test_another_hub_that_does_not_know_it_changes_nothing(
    hub: FakeHub, start_agent: StartAgent, signs_with: ec.EllipticCurvePrivateKey | None
) -> None:
    async with start_agent(timings=replace(QUICK, not_known_s=0.0)) as agent:
        await hub.online()
        hub.says_unknown, hub.signs_with = True, signs_with
        await hub.cut()
        await hub.until(lambda: hub.challenge_count >= 5)
        assert agent.identity.is_claimed
    assert len(hub.authorizations) == 1


async def test_every_connection_has_a_nonce_of_its_own(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
        await hub.cut()
        await hub.online(count=2)
    assert len({hello.nonce for hello in hub.hellos}) == 2
    assert None not in {hello.nonce for hello in hub.hellos}


async def test_it_signs_in_the_epoch_of_its_key(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.epoch = 7
    async with start_agent():
        await hub.online()
    assert [hello.epoch for hello in hub.hellos] == [7]


async def test_a_hub_in_trouble_is_asked_again_soon(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    """Such as while its database starts. One that refuses is left alone for a minute."""
    async with start_agent():
        await hub.online()
    hub.login_troubles = 2
    async with start_agent(timings=replace(QUICK, refused_backoff_s=60.0)) as agent:
        await hub.until(agent.online.is_set)
    assert hub.login_troubles == 0
