"""Claiming over real HTTP."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from agent.app import Agent
from agent.identity import ENROLLMENT_FILE, KEY_FILE, Identity, spki_sha256
from agent.qr import PNG_FILE
from protocol.errors import CloseCode
from protocol.words import fingerprint_words
from tests.agent.conftest import QUICK, Eventually, StartAgent
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration


async def test_it_makes_a_key_gets_its_certificate_and_comes_online(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent() as agent:
        await hub.online()
        assert hub.hellos[0].device_id == hub.device_id
        assert agent.identity.device_name == "Kitchen speaker"
    request = hub.authorizations[0]
    csr = x509.load_pem_x509_csr(request.csr_pem.encode())
    assert csr.subject.rfc4514_string() == "CN=T-1"
    assert isinstance(csr.public_key(), ec.EllipticCurvePublicKey)
    assert (request.model, request.serial) == ("Test speaker", "T-1")
    data = tmp_path / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / KEY_FILE).stat().st_mode) == 0o600
    assert not list(data.glob(".*.new"))


async def test_no_part_of_the_key_is_sent(hub: FakeHub, start_agent: StartAgent, tmp_path: Path) -> None:
    async with start_agent():
        await hub.online()
    sent = hub.authorizations[0].model_dump_json()
    assert "PRIVATE" not in sent
    assert (tmp_path / "data" / KEY_FILE).read_text().splitlines()[1] not in sent


async def test_it_shows_link_qr_code_and_typed_code(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.token_answers.extend(["authorization_pending"] * 3)
    async with start_agent() as agent:
        await hub.online()
        shown = capsys.readouterr().err
        assert "BCDFG-HJKLM" in shown
        words = " ".join(fingerprint_words(agent.identity.fingerprint_sha256))
        assert f"the same four words as this device: {words}" in shown
        assert f"its serial number: {agent.config.serial}" in shown
        assert f"f={agent.identity.fingerprint_sha256}" in shown
        assert "█" in shown
        assert not (tmp_path / "data" / PNG_FILE).exists()


async def test_it_shows_the_code_again_on_request(
    hub: FakeHub,
    start_agent: StartAgent,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    eventually: Eventually,
) -> None:
    hub.token_answers.extend(["authorization_pending"] * 100_000)
    async with start_agent() as agent:
        await eventually((tmp_path / "data" / PNG_FILE).exists)
        await eventually(lambda: "BCDFG" in capsys.readouterr().err)
        await agent.press()
        assert "BCDFG-HJKLM" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["expired_token", "access_denied"])
async def test_a_dead_code_is_followed_by_a_new_one(hub: FakeHub, start_agent: StartAgent, word: str) -> None:
    hub.token_answers.extend(["authorization_pending", word])
    async with start_agent():
        await hub.online()
    assert len(hub.authorizations) == 2


async def test_it_slows_down_when_told(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.token_answers.extend(["authorization_pending", "slow_down", "authorization_pending"])
    async with start_agent():
        await hub.online()
    gaps = [later - earlier for earlier, later in zip(hub.token_times, hub.token_times[1:], strict=False)]
    assert gaps[1] >= QUICK.slow_down_s
    assert gaps[2] >= QUICK.slow_down_s
    assert len(hub.authorizations) == 1


async def test_a_hub_that_wants_no_pause_is_asked_with_one(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.token_answers.extend(["authorization_pending"] * 3)
    async with start_agent(timings=replace(QUICK, poll_least_s=0.3)):
        await hub.online()
    gaps = [later - earlier for earlier, later in zip(hub.token_times, hub.token_times[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.25


async def test_a_hub_that_fails_for_a_while_is_asked_again(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.token_answers.extend(["502", "503", "authorization_pending"])
    async with start_agent():
        await hub.online()
    assert len(hub.authorizations) == 1


async def test_a_hub_that_is_not_there_yet_is_waited_for(hub: FakeHub, start_agent: StartAgent) -> None:
    await hub.stop_listening()
    async with start_agent():
        await hub.listen()
        await hub.online()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("authorization_pending", ["The hub answers again. The code {code} is still good."]),
        ("expired_token", ["The hub answers again.", "This code is over, here is a new one."]),
    ],
)
async def test_a_hub_that_is_back_is_said_once_and_whether_the_code_is_still_good(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually, word: str, said: list[str]
) -> None:
    hub.token_answers.extend(["authorization_pending"] * 100_000)
    with capture_logs() as lines:
        async with start_agent():
            await hub.until_http(tokens=2)
            await hub.stop_listening()
            await eventually(lambda: any("cannot be reached" in line["event"] for line in lines))
            before = len(lines)
            hub.token_answers.clear()
            hub.token_answers.extend([word, "authorization_pending", "authorization_pending"])
            await hub.listen()
            await hub.online()
    told = [line["event"] for line in lines[before:] if line["log_level"] == "info"]
    assert told[: told.index("{device} belongs to {household} now")] == said
    assert all(line.get("code", "BCDFG-HJKLM") == "BCDFG-HJKLM" for line in lines)


async def test_a_link_for_another_key_is_not_shown(
    hub: FakeHub, start_agent: StartAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fingerprint_in_link = "0" * 64
    async with start_agent() as agent:
        await hub.until_http(authorizations=3)
        assert not agent.identity.is_claimed
    assert "BCDFG-HJKLM" not in capsys.readouterr().err
    assert hub.token_times == []


@pytest.mark.parametrize(
    "words",
    [
        {"verification_uri_complete": "http://hub.local/" + "x" * 3000},
        {"verification_uri": "http://hub.local/\x1b[2J"},
        {"device_code": "x" * 201},
        {"interval": 10**400},
        {"interval": -1},
    ],
    ids=lambda words: "-".join(f"{name}{word}"[:16] for name, word in words.items()),
)
async def test_a_hub_that_answers_nonsense_does_not_end_the_device(
    hub: FakeHub, start_agent: StartAgent, capsys: pytest.CaptureFixture[str], words: dict[str, object]
) -> None:
    async with start_agent() as agent:
        # It has asked for nothing yet: its task has not begun.
        hub.in_authorization = {
            name: f"{word}#s=x&f={agent.identity.fingerprint_sha256}"
            if name == "verification_uri_complete"
            else word
            for name, word in words.items()
        }
        await hub.until_http(authorizations=2)
        assert "\x1b[2J" not in capsys.readouterr().err
        hub.in_authorization = {}
        await hub.online()


async def test_a_certificate_for_another_key_is_refused(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.gives_foreign_certificate = True
    async with start_agent() as agent:
        await hub.until_http(tokens=2)
        assert not agent.identity.is_claimed
        hub.gives_foreign_certificate = False
        await hub.online()


async def test_a_key_that_is_claimed_already_is_given_up(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    old = Identity(tmp_path / "data").fingerprint_sha256
    hub.claimed_fingerprints.add(old)
    async with start_agent() as agent:
        await hub.online()
        assert agent.identity.fingerprint_sha256 != old


async def test_after_a_restart_it_is_online_without_a_new_claim(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    for count in (1, 2):
        async with start_agent():
            await hub.online(count=count)
    assert len(hub.authorizations) == 1


@pytest.mark.parametrize("file_name", [KEY_FILE, ENROLLMENT_FILE])
async def test_a_damaged_file_means_a_new_claim_and_no_crash(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path, file_name: str
) -> None:
    async with start_agent():
        await hub.online()
    (tmp_path / "data" / file_name).write_text("-----BEGIN", encoding="utf-8")
    async with start_agent():
        await hub.online(count=2)
    assert len(hub.authorizations) == 2


async def test_unclaimed_wipes_the_household_and_makes_a_new_key(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent() as agent:
        await hub.online()
        old_key = (tmp_path / "data" / KEY_FILE).read_bytes()
        hub.token_answers.extend(["authorization_pending"] * 100_000)
        await hub.send(hub.unclaimed(hub.hellos[0].nonce))
        await hub.until_http(authorizations=2)
        assert not (tmp_path / "data" / ENROLLMENT_FILE).exists()
        assert (tmp_path / "data" / KEY_FILE).read_bytes() != old_key
        hub.token_answers.clear()
        await hub.online(count=2)
        keys = [x509.load_pem_x509_csr(a.csr_pem.encode()).public_key() for a in hub.authorizations]
        assert keys[0] != keys[1]
        assert agent.identity.is_claimed


async def test_a_device_removed_while_away_is_wiped_when_it_returns(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent():
        await hub.online()
    hub.says_unclaimed = True
    async with start_agent():
        await hub.until_http(authorizations=2)
        hub.says_unclaimed = False
        await hub.online(count=2)


async def test_revoked_without_a_word_keeps_the_claim(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.close_socket(CloseCode.REVOKED)
        await hub.online(count=2)
        assert agent.identity.is_claimed
    assert len(hub.authorizations) == 1


async def test_stdout_tells_programs_the_link_and_the_claim(
    hub: FakeHub, start_agent: StartAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start_agent(prints_json=True) as agent:
        await hub.online()
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["event"] for line in lines] == ["waiting", "claimed"]
        assert lines[0]["user_code"] == "BCDFGHJKLM"
        assert lines[0]["words"] == agent.identity.words
        assert lines[0]["link"].endswith(spki_sha256(agent.identity.private_key.public_key()))
        assert UUID(lines[1]["device_id"]) == hub.device_id


async def test_two_agents_do_not_share_a_directory(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent() as agent:
        await hub.online()
        with pytest.raises(Exception, match="Another agent is running"):
            Agent(agent.config)
