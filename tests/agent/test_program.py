"""`python -m agent` as a process."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from agent.arguments import arguments_read
from agent.config import config_from, default_serial, normalize_hub_url
from agent.errors import AgentError
from agent.identity import ENROLLMENT_FILE, KEY_FILE, remembered_hub_url
from protocol.messages.announcements import AnnounceProgress
from protocol.messages.calls import CallEnd
from protocol.messages.household import DeviceSettings
from tests.agent.sounds import read_wav, tone, wav_bytes
from tests.fakes.hub import PATIENCE_S, FakeHub
from tests.network.stalls import Stalls

pytestmark = pytest.mark.integration

StartProgram = Callable[..., Awaitable[Process]]


async def _said(process: Process, words: str) -> list[str]:
    """The lines up to the one with these words."""
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while not lines or words not in lines[-1]:
            line = (await process.stderr.readline()).decode() if process.stderr else ""
            assert line, lines
            lines.append(line.strip())
    return lines


@pytest.fixture
async def start_program(tmp_path: Path) -> AsyncIterator[StartProgram]:
    processes: list[Process] = []

    async def start(*arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "--data-dir", str(tmp_path / "data"), *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _run(start: StartProgram, *arguments: str) -> tuple[int, str]:
    process = await start(*arguments)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode or 0, (out + err).decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly_within_two_seconds_in_a_call(
    hub: FakeHub, start_program: StartProgram, number: signal.Signals
) -> None:
    process = await start_program("--hub", hub.url, "--microphone", "null", "--speaker", "null")
    await hub.online()
    call_id = await hub.call()
    await hub.leg()
    started_at = time.monotonic()
    async with Stalls() as stalls:
        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        took_s = time.monotonic() - started_at
    assert took_s < 2.5 + stalls.total_s
    assert process.returncode == 0
    assert (await hub.received(CallEnd)).call_id == call_id
    log = err.decode()
    assert "Kitchen speaker is online" in log
    assert "Anna is calling: answered" in log
    assert "Traceback" not in log


async def test_it_says_its_code_into_a_file_and_ends_cleanly_while_it_speaks(
    hub: FakeHub, start_program: StartProgram, tmp_path: Path
) -> None:
    hub.token_answers.extend(["authorization_pending"] * 100_000)
    speaker = tmp_path / "speaker.wav"
    process = await start_program(
        "--hub", hub.url, "--microphone", "null", "--speaker", f"file:{speaker}", "--say-code"
    )
    async with asyncio.timeout(PATIENCE_S):
        while not speaker.exists() or speaker.stat().st_size < 2 * 48_000:
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0
    assert abs(read_wav(speaker)).max() > 5_000
    assert "Stopped" in err.decode()
    assert "Traceback" not in err.decode()


async def test_renamed_it_says_its_new_name_and_calls_itself_by_it(
    hub: FakeHub, start_program: StartProgram
) -> None:
    arguments = ("--microphone", "null", "--speaker", "null")
    process = await start_program("--hub", hub.url, *arguments)
    await _said(process, "Kitchen speaker is online")
    hub.device_name = "Bedroom phone"
    for _ in range(2):
        await hub.send(DeviceSettings(echo_cancellation=True, device_name=hub.device_name))
    await _said(process, "This device is called Bedroom phone now.")
    await hub.cut()
    lines = await _said(process, "Bedroom phone is online")
    assert any("Bedroom phone is offline" in line for line in lines)
    assert not any("is called" in line for line in lines)
    process.kill()
    await process.wait()
    hub.device_name = "Attic radio"  # while it was away
    again = await start_program(*arguments)
    lines = await _said(again, "Attic radio is online")
    assert not any("Bedroom phone" in line for line in lines)
    assert "This device is called Attic radio now." in lines[-2]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "This device was removed from its home. To add it again, use the code that follows."),
        ("a code", "This device was given to another home, and joins it by itself."),
    ],
)
async def test_what_becomes_of_it_is_said_in_one_sentence(
    hub: FakeHub, start_program: StartProgram, code: str | None, words: str
) -> None:
    process = await start_program("--hub", hub.url, "--microphone", "null", "--speaker", "null")
    await _said(process, "Kitchen speaker is online")
    hub.transfer_code = code
    await hub.send(hub.unclaimed(hub.hellos[0].nonce))
    lines = await _said(process, "Kitchen speaker belongs to Anna's home now")
    offline, said = lines[:2]
    assert "Kitchen speaker is offline" in offline
    assert said.endswith(words)
    assert any("or type the code" in line for line in lines) == (code is None)


async def test_killed_it_leaves_a_valid_speaker_file_and_comes_back_without_a_claim(
    hub: FakeHub, start_program: StartProgram, tmp_path: Path
) -> None:
    speaker = tmp_path / "speaker.wav"
    arguments = ("--microphone", "null", "--speaker", f"file:{speaker}")
    process = await start_program("--hub", hub.url, *arguments)
    await hub.online()
    await hub.send(hub.make_announcement(wav_bytes(tone(hz=600.0, seconds=5.0))))
    await hub.received(AnnounceProgress)
    while len(read_wav(speaker)) < 48_000:
        await asyncio.sleep(0.05)
    process.kill()
    await process.wait()
    assert len(read_wav(speaker)) >= 48_000
    await start_program(*arguments)  # and it remembers its hub
    await hub.online(count=2)
    assert len(hub.authorizations) == 1


async def test_reset_forgets_everything_and_nothing_else(
    hub: FakeHub, start_program: StartProgram, tmp_path: Path
) -> None:
    process = await start_program("--hub", hub.url, "--microphone", "null", "--speaker", "null")
    await hub.online()
    code, words = await _run(start_program, "reset", "--yes")
    assert (code, "Another agent is running" in words) == (2, True)
    process.terminate()
    await process.wait()
    (tmp_path / "data" / "holiday.jpg").write_bytes(b"keep me")
    assert (await _run(start_program, "reset"))[0] == 1
    assert (tmp_path / "data" / KEY_FILE).exists()
    assert (await _run(start_program, "reset", "--yes"))[0] == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["holiday.jpg"]


def test_the_help_says_what_to_do_in_order_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        arguments_read(["--help"])
    words = capsys.readouterr().out
    order = [
        "1. Start it",
        "--hub http://192.168.1.10:8000 --data-dir",
        "2. It shows",
        "3. The page",
        "4. From then",
    ]
    places = [words.index(one) for one in order]
    assert places == sorted(places)
    assert max(map(len, words.splitlines())) <= 120
    with pytest.raises(SystemExit, match="0"):
        arguments_read(["reset", "--help"])
    words = capsys.readouterr().out
    assert "python -m agent reset --data-dir ~/hearthline-device" in words
    assert "--microphone" not in words


@pytest.mark.parametrize(
    "words", ["--data-dir d reset --yes", "reset --data-dir d --yes", "--yes --data-dir d reset"]
)
def test_options_count_before_the_command_and_after_it(words: str) -> None:
    read = arguments_read(words.split())
    assert (read.command, read.data_dir, read.yes) == ("reset", Path("d"), True)
    read = arguments_read(["--data-dir", "d", "--speaker", "null"])
    assert (read.command, read.speaker, read.microphone, read.model) == (
        "run",
        "null",
        "default",
        "Hearthline speaker",
    )
    assert arguments_read(["run", "--data-dir", "d", "--speaker", "null"]) == read


@pytest.mark.parametrize("command", ["run", "reset"])
def test_a_missing_folder_is_told_in_words(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments_read([command])
    assert "--data-dir is missing: a folder for its key" in capsys.readouterr().err


async def test_a_missing_hub_address_and_a_missing_microphone_are_told_in_words(
    hub: FakeHub, start_program: StartProgram
) -> None:
    code, words = await _run(start_program, "--microphone", "null", "--speaker", "null")
    assert (code, "Which hub?" in words) == (2, True)
    code, words = await _run(
        start_program, "--hub", hub.url, "--microphone", "file:/nowhere.wav", "--speaker", "null"
    )
    assert (code, "cannot be used" in words) == (2, True)
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://hub.local:8000/", "http://hub.local:8000"),
        ("https://hub.example", "https://hub.example"),
        ("192.168.1.10:8000", "http://192.168.1.10:8000"),
    ],
)
def test_an_address_is_understood_as_people_write_it(given: str, url: str) -> None:
    assert normalize_hub_url(given) == url


@pytest.mark.parametrize("given", ["ftp://hub", "http://", "://", "http://hub:99999", "http://hub:door"])
def test_a_wrong_address_is_told_in_words(given: str) -> None:
    with pytest.raises(AgentError, match="is not the address of a hub"):
        normalize_hub_url(given)


def test_the_socket_is_as_safe_as_the_address(tmp_path: Path) -> None:
    arguments = arguments_read(["--hub", "https://hub.example", "--data-dir", str(tmp_path)])
    assert config_from(arguments, remembered_hub_url=None).socket_url == "wss://hub.example/ws/device/"


def test_the_serial_stays_the_same() -> None:
    assert default_serial() == default_serial()
    assert len(default_serial()) >= 8


def test_no_hub_is_remembered_where_there_is_none(tmp_path: Path) -> None:
    assert remembered_hub_url(tmp_path) is None
    (tmp_path / ENROLLMENT_FILE).write_text("{}", encoding="utf-8")
    assert remembered_hub_url(tmp_path) is None
