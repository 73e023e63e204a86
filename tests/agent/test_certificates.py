"""A new certificate in time, whatever the device's clock says."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.identity import Identity
from protocol.certificates import CertificateInUse, CertificateRequest, KeyWanted
from protocol.errors import ErrorCode
from tests.agent.conftest import Eventually, StartAgent
from tests.fakes.authority import spki_sha256
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration


async def claimed(hub: FakeHub, start_agent: StartAgent, *, ends_in: timedelta) -> None:
    """A device that was claimed, and is off now."""
    hub.certificate_ends_at = hub.hub_time + ends_in
    hub.hub_time -= timedelta(days=3650)  # so that nothing is due yet
    async with start_agent():
        await hub.online()
    hub.hub_time += timedelta(days=3650)
    hub.messages.clear()


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_of(csr_pem: str) -> str:
    key = x509.load_pem_x509_csr(csr_pem.encode()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return spki_sha256(key)


async def test_a_fresh_certificate_is_not_renewed(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent() as agent:
        await hub.online()
        told = await hub.received(CertificateInUse)
        assert int(told.serial_number, 16) == agent.identity.certificate.serial_number
    assert hub.all(CertificateRequest) == []


@pytest.mark.parametrize("ends_in", [timedelta(hours=1), timedelta(days=-400)], ids=["due", "long expired"])
async def test_it_is_renewed_when_the_hub_s_clock_says_so(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path, ends_in: timedelta
) -> None:
    await claimed(hub, start_agent, ends_in=ends_in)
    before = Identity(tmp_path / "data").certificate
    hub.certificate_ends_at = hub.hub_time + timedelta(days=30)
    async with start_agent() as agent:
        await hub.online(count=2)
        used = await hub.received(CertificateInUse, count=2)
        asked = await hub.received(CertificateRequest)
        assert key_of(asked.csr_pem) == agent.identity.fingerprint_sha256
    after = Identity(tmp_path / "data").certificate
    assert int(used.serial_number, 16) == after.serial_number != before.serial_number
    assert len(hub.all(CertificateRequest)) == 1


async def test_it_is_asked_for_while_online_once_it_is_due(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    # Valid from a day before the test began: two thirds are over a second after it came online.
    hub.certificate_ends_at = hub.hub_time + timedelta(hours=12, seconds=1.5)
    async with start_agent():
        await hub.online()
        assert hub.all(CertificateRequest) == []
        hub.certificate_ends_at = hub.hub_time + timedelta(days=30)
        await hub.received(CertificateRequest)


async def test_an_older_hub_is_asked_for_nothing(hub: FakeHub, start_agent: StartAgent) -> None:
    await claimed(hub, start_agent, ends_in=timedelta(days=-1))
    hub.tells_time = False
    async with start_agent():
        await hub.online(count=2)
    assert hub.messages == []


async def test_a_refusal_keeps_the_old_one_and_is_tried_again(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    await claimed(hub, start_agent, ends_in=timedelta(days=-1))
    before = Identity(tmp_path / "data").certificate
    hub.certificate_ends_at = hub.hub_time + timedelta(days=30)
    hub.certificate_answers.extend([ErrorCode.NOT_ALLOWED, ErrorCode.INTERNAL])
    async with start_agent():
        await hub.received(CertificateRequest)
        assert Identity(tmp_path / "data").certificate == before
        await hub.received(CertificateInUse, count=2)
    assert len(hub.all(CertificateRequest)) == 3


async def test_an_answer_that_does_not_fit_is_thrown_away(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    await claimed(hub, start_agent, ends_in=timedelta(days=-1))
    before = Identity(tmp_path / "data").certificate
    hub.certificate_ends_at = hub.hub_time + timedelta(days=30)
    own, other = before.public_key(), ec.generate_private_key(ec.SECP256R1()).public_key()
    assert isinstance(own, ec.EllipticCurvePublicKey)
    bad = [pem_of(hub.certificate_for(other)), pem_of(FakeHub().certificate_for(own)), "certificate"]
    hub.certificate_answers.extend(bad)
    async with start_agent():
        for count in range(1, len(bad) + 1):
            await hub.received(CertificateRequest, count=count)
            assert Identity(tmp_path / "data").certificate == before
        await hub.received(CertificateInUse, count=2)
    assert Identity(tmp_path / "data").certificate != before


async def test_a_wanted_key_is_made_and_the_device_signs_in_with_it(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent() as agent:
        await hub.online()
        old = agent.identity.fingerprint_sha256
        await hub.send(KeyWanted())
        asked = await hub.received(CertificateRequest)
        assert key_of(asked.csr_pem) != old
        await hub.online(count=2)
        assert agent.identity.fingerprint_sha256 == key_of(asked.csr_pem)
    assert Identity(tmp_path / "data").epoch == 2
    assert len(hub.all(CertificateRequest)) == 1
    async with start_agent():
        await hub.online(count=3)


async def test_during_a_call_the_key_stays_and_afterwards_it_changes(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.call(auto_answer=True)
        await eventually(lambda: agent.state.has_call)
        await hub.send(KeyWanted())
        await hub.leg()
        await asyncio.sleep(0.2)  # the look comes every 0.02 s
        assert hub.all(CertificateRequest) == []
        await agent.phone.hang_up()
        await hub.online(count=2)
    assert len(hub.all(CertificateRequest)) == 1


async def test_it_asks_again_with_the_same_key_when_the_hub_cannot_answer(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    hub.certificate_answers.extend([ErrorCode.INTERNAL, "certificate"])
    async with start_agent():
        await hub.online()
        await hub.send(KeyWanted())
        await hub.send(KeyWanted())
        await hub.online(count=2)
    assert len({key_of(asked.csr_pem) for asked in hub.all(CertificateRequest)}) == 1
    assert len(hub.all(CertificateRequest)) == 3


async def test_a_connection_that_is_lost_meanwhile_changes_nothing_and_the_next_login_begins_anew(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    hub.certificate_answers.extend([ErrorCode.INTERNAL] * 1000)
    async with start_agent() as agent:
        await hub.online()
        old = agent.identity.fingerprint_sha256
        await hub.send(KeyWanted())
        await hub.received(CertificateRequest)
        await hub.cut()
        await hub.online(count=2)
        assert agent.identity.fingerprint_sha256 == old
        hub.certificate_answers.clear()
        hub.messages.clear()
        await hub.send(KeyWanted())
        await hub.online(count=3)
        assert agent.identity.fingerprint_sha256 != old
