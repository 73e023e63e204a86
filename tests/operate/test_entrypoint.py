"""The entry commands of the image, as they stand, until the health checks of compose.yml are content."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import redis

from config.embedded import embedded_start
from tests.operate.hub_process import ROOT, free_port

pytestmark = pytest.mark.integration

ENTRY = ROOT / "docker" / "entrypoint"
HEALTHY_WITHIN_S = 120.0
SERVICES = {
    "web": (["web"], ["health", "web"]),
    "media": (["media"], ["health", "media"]),
    "tasks": (["tasks", "chores", "default", "threads", "4"], ["health", "tasks", "chores"]),
    "beat": (["beat"], ["health", "beat"]),
}


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a container: a data folder, PostgreSQL and Valkey by URL, and `python` on PATH."""
    data_dir = tmp_path_factory.mktemp("docker") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "REDIS_URL"):
            patch.delenv(name, raising=False)
        servers = embedded_start(data_dir, durable=False)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(data_dir),
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "HUB_DATA_DIR": str(data_dir),
        "HUB_URL": "https://hub.example.org",
        "HUB_TURN_SECRET": "turn secret",
        "HUB_TRUSTED_PROXIES": "127.0.0.0/8",
        "HUB_LISTEN": "127.0.0.1",
        "HUB_PORT": str(free_port()),
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
    }
    yield environment
    servers.stop()


def entry(words: list[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([ENTRY, *words], cwd=ROOT, env=environment, start_new_session=True)


def run(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ENTRY, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@contextlib.contextmanager
def running(words: list[str], environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = entry(words, environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def migrated(container: dict[str, str]) -> dict[str, str]:
    done = run(["migrate"], container)
    assert done.returncode == 0, done.stderr
    return container


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_becomes_healthy_and_ends_when_told(name: str, migrated: dict[str, str]) -> None:
    command, health = SERVICES[name]
    assert run(health, migrated).returncode != 0
    with running(command, migrated) as process:
        deadline_s = time.monotonic() + HEALTHY_WITHIN_S
        while (checked := run(health, migrated)).returncode != 0:
            assert process.poll() is None, f"{name} ended by itself"
            assert time.monotonic() < deadline_s, checked.stderr
    assert process.returncode in (0, -signal.SIGTERM)


def test_the_health_of_media_looks_at_the_lease_of_this_host(migrated: dict[str, str]) -> None:
    host = "".join(letter for letter in socket.gethostname() if letter.isalnum() and letter.isascii())[:32]
    with redis.Redis.from_url(migrated["REDIS_URL"]) as client:
        client.delete(*(client.keys("media:worker:*") or ["none"]))
        client.set("media:worker:another-1234", "{}", ex=5)
        assert run(["health", "media"], migrated).returncode == 1
        client.set(f"media:worker:{host}-1234", "{}", ex=5)
        assert run(["health", "media"], migrated).returncode == 0
        client.flushdb()


def test_the_set_up_link_is_printed(migrated: dict[str, str]) -> None:
    done = run(["manage", "setup_link"], migrated)
    assert done.stdout.startswith("https://hub.example.org/setup/?token="), done.stderr
