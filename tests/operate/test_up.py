import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from config.banner import speech_note
from config.env import BASE_DIR
from config.errors import StartError
from config.hub import port_check
from tests.operate.hub_process import HubProcess, commands_of

pytestmark = pytest.mark.integration

SECOND_START_S = 60.0  # the figure is 10 s, on a machine that does nothing else; this one may be busy


@pytest.fixture(scope="module")
def hub_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder, so that the later starts are second ones."""
    return tmp_path_factory.mktemp("hub") / "data"


@pytest.fixture
def up(hub_data: Path) -> Iterator[Callable[..., HubProcess]]:
    started: list[HubProcess] = []

    def start(*words: str, port: int | None = None) -> HubProcess:
        started.append(HubProcess(hub_data, *words, port=port))
        return started[-1]

    yield start
    for hub in started:
        hub.close()


def the(name: str, hub_data: Path) -> psutil.Process:
    """The process whose command line has `name` in it, the oldest of its family."""
    found = [process for process, words in commands_of(hub_data).items() if name in " ".join(words)]
    return min(found, key=lambda process: process.create_time())


def test_up_starts_everything_mends_it_and_leaves_nothing(
    up: Callable[..., HubProcess], hub_data: Path
) -> None:
    hub = up("--demo")
    link = hub.until(r">>>  (http://localhost:\d+/setup/\?token=\S+)")[1]
    with urlopen(f"http://127.0.0.1:{hub.port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    with urlopen(link.replace("localhost", "127.0.0.1"), timeout=30) as answer:
        assert "token" in answer.read().decode().lower()
    device = hub.until(r"device .*(http://localhost:\d+/\S+)")[1]
    assert str(hub.port) in device

    second = up(port=hub.port)
    assert f"Another hub (process {hub.process.pid}) already uses the data folder {hub_data}" in second.rest()
    assert second.process.returncode == 1

    the("daphne", hub_data).kill()
    hub.until(r"web ended \(killed by SIGKILL\)")
    the("valkey-server", hub_data).kill()
    hub.until(r"valkey ended \(killed by SIGKILL\)")
    took_s = hub.end(signal.SIGINT)
    print(f"Ctrl-C took {took_s:.1f} s")
    assert hub.process.returncode == 0
    assert "stopped" in hub.rest()
    assert "Traceback" not in "\n".join(hub.lines)


def test_a_second_start_is_fast_and_a_killed_supervisor_leaves_nothing(
    up: Callable[..., HubProcess], hub_data: Path
) -> None:
    hub = up()
    ready_s = float(hub.until(r"ready after ([\d.]+) s")[1])
    print(f"ready after {ready_s} s")
    assert any("Hearthline is ready" in line for line in hub.lines)
    names = " ".join(" ".join(words) for words in commands_of(hub_data).values())
    for part in ("postgres", "valkey-server", "daphne", "media"):
        assert part in names
    took_s = hub.end(signal.SIGKILL)
    print(f"kill -9 took {took_s:.1f} s")
    assert ready_s < SECOND_START_S


def test_a_taken_port_is_said_with_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("HUB_DATA_DIR", "/srv/our hub")
        match = rf"Port {port} is taken.*: HUB_DATA_DIR='/srv/our hub' \./start --port \d+"
        with pytest.raises(StartError, match=match) as caught:
            port_check("127.0.0.1", port)
    other = int(re.findall(r"\d+", str(caught.value))[-1])
    port_check("127.0.0.1", other)


@pytest.mark.parametrize(
    ("folder", "before"),
    [
        ("", ""),
        (str(BASE_DIR / "data"), ""),
        ("/srv/hub", "HUB_DATA_DIR=/srv/hub "),
        ("/srv/our $hub", "HUB_DATA_DIR='/srv/our $hub' "),
    ],
)
def test_a_command_for_a_new_window_works_on_the_folder_of_this_hub(
    monkeypatch: pytest.MonkeyPatch, folder: str, before: str
) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", folder)
    note = speech_note(["demo-voice"], ["whisper-base"])
    assert note
    command = ".venv/bin/python manage.py speech_models download whisper-base"
    assert note.splitlines()[1:] == [f"  {before}{command}"]
