"""On its way to another household."""

from pathlib import Path

import pytest

from agent.identity import ENROLLMENT_FILE, KEY_FILE, Identity, remembered_hub_url
from agent.reset import reset
from agent.transfer import TRANSFER_FILE, TransferNote, transfer_keep, transfer_read
from tests.agent.conftest import Eventually, StartAgent
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration

CODE = "5f1d7c0e-9a3b-4c2d-8e6f-7a8b9c0d1e2f:proof"


async def test_it_forgets_its_home_makes_a_new_key_and_asks_with_the_code_and_shows_none(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start_agent() as agent:
        await hub.online()
        old = agent.identity.fingerprint_sha256
        capsys.readouterr()
        hub.transfer_code = CODE
        await hub.send(hub.unclaimed(hub.hellos[0].nonce))
        await hub.online(count=2)
        assert agent.identity.fingerprint_sha256 != old
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
    transfer_keep(tmp_path / "data", TransferNote(hub_url=hub.url, code=CODE))
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
    transfer_keep(data, TransferNote(hub_url=hub.url, code=CODE))
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
    transfer_keep(tmp_path / "data", TransferNote(hub_url=hub.url, code=CODE))
    hub.says_unclaimed = True
    async with start_agent():
        await hub.until_http(authorizations=2)
    assert hub.authorizations[1].transfer_code == ""


def test_a_reset_forgets_the_code_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    transfer_keep(tmp_path, TransferNote(hub_url="http://hub", code=CODE))
    assert reset(tmp_path, is_confirmed=True) == 0
    assert transfer_read(tmp_path) is None
    (tmp_path / TRANSFER_FILE).write_text("{")
    assert transfer_read(tmp_path) is None
    assert remembered_hub_url(tmp_path) is None
