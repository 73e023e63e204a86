"""On its way to another household."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from agent.identity import ENROLLMENT_FILE, KEY_FILE, Identity, key_pem, remembered_hub_url
from agent.reset import reset
from agent.transfer import TRANSFER_FILE, TransferNote, transfer_keep, transfer_read
from protocol.identity import transfer_text
from tests.agent.conftest import Eventually, StartAgent
from tests.fakes.authority import spki_sha256
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration

CODE = "5f1d7c0e-9a3b-4c2d-8e6f-7a8b9c0d1e2f:proof"
OLD = ec.generate_private_key(ec.SECP256R1())


def note(hub: FakeHub, old: ec.EllipticCurvePrivateKey = OLD) -> TransferNote:
    return TransferNote(hub_url=hub.url, hub_id=hub.hub_id, code=CODE, old_key_pem=key_pem(old).decode())


async def test_it_forgets_its_home_makes_a_new_key_and_asks_with_the_code_and_shows_none(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start_agent() as agent:
        await hub.online()
        old = agent.identity.private_key.public_key()
        capsys.readouterr()
        hub.transfer_code = CODE
        await hub.send(hub.unclaimed(hub.hellos[0].nonce))
        await hub.online(count=2)
        new = agent.identity.fingerprint_sha256
        assert new != spki_sha256(old)
    proof = base64.b64decode(hub.authorizations[1].transfer_proof)
    old.verify(proof, transfer_text(fingerprint=new, code=CODE), ec.ECDSA(hashes.SHA256()))
    assert [request.transfer_code for request in hub.authorizations] == ["", CODE]
    assert "BCDFG-HJKLM" not in capsys.readouterr().err
    assert not (tmp_path / "data" / TRANSFER_FILE).exists()


async def test_a_code_that_counts_for_nothing_any_more_is_forgotten_and_it_shows_its_own(
    hub: FakeHub,
    start_agent: StartAgent,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    eventually: Eventually,
) -> None:
    (tmp_path / "data").mkdir()
    transfer_keep(tmp_path / "data", note(hub))
    hub.token_answers.extend(["authorization_pending"] * 3)
    async with start_agent():
        await eventually(lambda: "BCDFG-HJKLM" in capsys.readouterr().err)
        assert transfer_read(tmp_path / "data") is None
        await hub.online()
    assert [request.transfer_code for request in hub.authorizations] == [CODE]


@pytest.mark.parametrize(
    "when", ["before it forgot", "with half of it forgotten", "with all of it forgotten"]
)
async def test_a_power_cut_in_between_loses_nothing(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path, when: str
) -> None:
    async with start_agent():
        await hub.online()
    data, old = tmp_path / "data", Identity(tmp_path / "data").fingerprint_sha256
    transfer_keep(data, note(hub))
    if when != "before it forgot":
        (data / KEY_FILE).unlink()
    if when == "with all of it forgotten":
        (data / ENROLLMENT_FILE).unlink()
        assert remembered_hub_url(data) == hub.url
    hub.transfer_code, hub.says_unclaimed = CODE, True
    async with start_agent():
        await hub.until_http(authorizations=2)
        hub.says_unclaimed = False
        await hub.online(count=2)
    assert hub.authorizations[1].transfer_code == CODE
    assert Identity(data).fingerprint_sha256 != old
    assert transfer_read(data) is None


async def test_removed_without_a_code_it_forgets_one_that_it_had(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent():
        await hub.online()
    transfer_keep(tmp_path / "data", note(hub))
    hub.says_unclaimed = True
    async with start_agent():
        await hub.until_http(authorizations=2)
    assert hub.authorizations[1].transfer_code == ""


def test_a_reset_forgets_the_code_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    transfer_keep(tmp_path, note(FakeHub()))
    assert reset(tmp_path, is_confirmed=True) == 0
    assert transfer_read(tmp_path) is None
    broken = note(FakeHub()).model_copy(update={"old_key_pem": "no key"})
    for text in ("{", broken.model_dump_json()):
        (tmp_path / TRANSFER_FILE).write_text(text)
        assert transfer_read(tmp_path) is None
    assert remembered_hub_url(tmp_path) is None


async def test_another_hub_does_not_get_a_device_on_its_way(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    transfer_keep(tmp_path / "data", note(hub).model_copy(update={"hub_id": "0" * 64}))
    async with start_agent() as agent:
        await hub.until_http(authorizations=1, tokens=2)
        assert not agent.identity.is_claimed
    assert transfer_read(tmp_path / "data") is not None
