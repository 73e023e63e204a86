import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from kombu import Connection

from config.embedded import (
    SOCKET_DIR_BYTES_MAX,
    STALE_AFTER_S,
    EmbeddedServers,
    celery_broker_url,
    embedded_start,
    socket_dir,
)
from config.errors import EmbeddedError

pytestmark = pytest.mark.integration

START_IN_CHILD = """
import sys
from pathlib import Path
from config.embedded import embedded_start
embedded_start(Path(sys.argv[1]), durable=False)
print("started", flush=True)
sys.stdin.read()
"""


def _names(processes: list[psutil.Process]) -> set[str]:
    """Without those that have ended since they were listed: PostgreSQL's own short helpers come and go."""
    names = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            names.add(process.name())
    return names


@pytest.fixture
def own_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedServers]:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    started = embedded_start(tmp_path / "data", durable=False)
    yield started
    started.stop()


@pytest.fixture
def own_temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of this test's own, with a short path, and no servers given from outside."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(prefix="hl-") as name:
        Path(name).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def test_both_servers_answer_at_their_urls(own_servers: EmbeddedServers) -> None:
    with psycopg.connect(own_servers.database_url) as connection:
        row = connection.execute(
            "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == ("hearthline", False)
    with redis.Redis.from_url(own_servers.redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_celery_reaches_valkey_by_the_translated_url(own_servers: EmbeddedServers) -> None:
    with Connection(celery_broker_url(own_servers.redis_url)) as broker:
        queue = broker.SimpleQueue("letters")
        queue.put("a")
        assert queue.get(timeout=5).payload == "a"
        queue.close()
    assert celery_broker_url("redis://elsewhere:6379/1") == "redis://elsewhere:6379/1"


def test_a_second_hub_on_the_same_data_is_refused(own_servers: EmbeddedServers, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=f"process {os.getpid()}.*HUB_DATA_DIR"):
        embedded_start(tmp_path / "data")


def test_rows_survive_a_killed_hub_and_a_stale_pid_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    data_dir = tmp_path / "data"
    first = embedded_start(data_dir)
    with psycopg.connect(first.database_url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('kept')")
    with redis.Redis.from_url(first.redis_url) as client:
        client.set("word", "kept")
    for server in (first.postgres, first.valkey):
        assert server
        assert server.process
        server.process.kill()
        server.process.wait()
    first.stop()
    # As after a restart of the machine: the number in the pid file is another process's, here our own.
    pid_file = data_dir / "postgresql" / "postmaster.pid"
    pid_file.write_text("\n".join([str(os.getppid()), *pid_file.read_text().splitlines()[1:]]))
    second = embedded_start(data_dir)
    try:
        with psycopg.connect(second.database_url) as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("kept",)
        with redis.Redis.from_url(second.redis_url) as client:
            assert client.get("word") == b"kept"
    finally:
        second.stop()


def test_servers_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    starter = subprocess.Popen(
        [sys.executable, "-c", START_IN_CHILD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert starter.stdout
    assert starter.stdout.readline() == b"started\n"
    started = psutil.Process(starter.pid).children(recursive=True)
    names = _names(started)
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    assert names >= {"postgres"}
    assert len(started) >= 3
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


def test_a_long_or_odd_path_gets_its_sockets_in_a_short_folder(tmp_path: Path) -> None:
    assert socket_dir(tmp_path) == tmp_path / "run"
    for odd in (tmp_path / ("long" * 30), tmp_path / "with space"):
        assert len(os.fsencode(socket_dir(odd))) <= SOCKET_DIR_BYTES_MAX
        assert " " not in str(socket_dir(odd))


def test_servers_start_in_a_path_with_spaces_and_leave_no_folder_elsewhere(
    tmp_path: Path, own_temporary: Path
) -> None:
    data_dir = tmp_path / "our house ö"
    started = embedded_start(data_dir, durable=False)
    try:
        psycopg.connect(started.database_url).close()
        assert list(own_temporary.iterdir()) == [socket_dir(data_dir)]
    finally:
        started.stop()
    assert list(own_temporary.iterdir()) == []


def test_what_a_killed_hub_left_in_its_folder_is_used_again_and_then_removed(
    tmp_path: Path, own_temporary: Path
) -> None:
    data_dir = tmp_path / "our house ö"
    first = embedded_start(data_dir, durable=False)
    for server in (first.postgres, first.valkey):
        assert server
        assert server.process
        server.process.kill()
        server.process.wait()
    assert {path.name for path in socket_dir(data_dir).iterdir()} >= {".s.PGSQL.5432", "valkey.sock"}
    first.sockets = None  # nobody was there any more to tidy
    first.stop()
    second = embedded_start(data_dir, durable=False)
    second.stop()
    assert list(own_temporary.iterdir()) == []


def test_a_start_removes_empty_folders_of_hubs_that_are_gone_and_no_others(
    tmp_path: Path, own_temporary: Path
) -> None:
    begun = f"hearthline-{os.geteuid()}"
    names = {"old": f"{begun}-0a", "new": f"{begun}-0b", "used": f"{begun}-0c", "other": "hearthline-9-0d"}
    folders = {name: own_temporary / folder for name, folder in names.items()}
    for name, folder in folders.items():
        folder.mkdir(mode=0o700)
        if name == "used":
            (folder / "valkey.sock").touch()
        if name != "new":
            long_ago_s = time.time() - STALE_AFTER_S - 5
            os.utime(folder, (long_ago_s, long_ago_s))
    started = embedded_start(tmp_path, database_given="postgresql://a@b/c", redis_given="redis://d")
    started.stop()
    assert {name for name, folder in folders.items() if folder.exists()} == {"new", "used", "other"}


def test_given_urls_start_no_server(tmp_path: Path) -> None:
    started = embedded_start(tmp_path, database_given="postgresql://a@b/c", redis_given="redis://d")
    try:
        assert (started.postgres, started.valkey) == (None, None)
        assert (started.database_url, started.redis_url) == ("postgresql://a@b/c", "redis://d")
    finally:
        started.stop()
