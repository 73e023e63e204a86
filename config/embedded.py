"""Private PostgreSQL and Valkey of a hub that was given no `DATABASE_URL` and no `REDIS_URL`.

Both come from wheels, listen on unix sockets only and end with the process that started them. The same
engines run in the tests and in production. This module imports nothing of Django: settings read its URLs.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from config.errors import EmbeddedError
from config.postgresql import SOCKET_NAMES as POSTGRES_NAMES
from config.postgresql import PostgresServer, database_url
from config.valkey import SOCKET_NAME, ValkeyServer, redis_url

SOCKET_NAMES = (*POSTGRES_NAMES, SOCKET_NAME)
# sun_path holds 108 bytes with the closing zero (unix(7)).
SOCKET_DIR_BYTES_MAX = 107 - len("/") - max(map(len, SOCKET_NAMES))
STALE_AFTER_S = 60.0
# Characters that need no quoting in any of the URLs and option lists that the path goes through.
SOCKET_DIR_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass
class EmbeddedServers:
    """What was started. A URL that was given from outside has no server here."""

    database_url: str
    redis_url: str
    postgres: PostgresServer | None = None
    valkey: ValkeyServer | None = None
    sockets: Path | None = None  # the folder of their sockets, where it is outside of the data folder
    lock: IO[str] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """Stop both cleanly, at most 3 s each; free the data folder, leave no other. May be called twice."""
        for server in (self.valkey, self.postgres):
            if server is not None:
                server.stop()
        if self.sockets is not None:
            socket_dir_remove(self.sockets)
            self.sockets = None  # the next hub may have it as soon as the data folder is free
        if self.lock is not None:
            self.lock.close()
            self.lock = None


def embedded_start(
    data_dir: Path,
    *,
    durable: bool = True,
    database_given: str = "",
    redis_given: str = "",
    lock: IO[str] | None = None,
) -> EmbeddedServers:
    """Start what was not given, wait until it answers, and say where it is.

    `database_given` and `redis_given` default to the environment's DATABASE_URL and REDIS_URL.
    `durable=False` trades safety for speed, for tests. The servers write to
    `data_dir`/log. `lock` is what data_dir_lock gave, if the caller has it already.
    Must be called from the main thread (see common.processes). Raises EmbeddedError.
    """
    servers = EmbeddedServers(
        database_url=database_given or given("DATABASE_URL"),
        redis_url=redis_given or given("REDIS_URL"),
    )
    servers.lock = lock or data_dir_lock(data_dir)
    sockets = socket_dir(data_dir)
    if not sockets.is_relative_to(data_dir.resolve()):
        servers.sockets = sockets
    socket_dirs_tidy(keep=sockets)
    try:
        if not servers.redis_url:
            servers.valkey = ValkeyServer(
                data_dir / "valkey", socket_dir=private_dir(sockets), durable=durable
            )
            servers.valkey.start()
            servers.redis_url = servers.valkey.url
        if not servers.database_url:
            servers.postgres = PostgresServer(data_dir / "postgresql", socket_dir=sockets, durable=durable)
            servers.postgres.start()
            servers.database_url = servers.postgres.url
    except BaseException:
        servers.stop()
        raise
    return servers


def default_database_url(data_dir: Path) -> str:
    """DATABASE_URL of the private server of `data_dir`, whether it runs or not."""
    return database_url(socket_dir(data_dir))


def default_redis_url(data_dir: Path) -> str:
    """REDIS_URL of the private server of `data_dir`, whether it runs or not."""
    return redis_url(socket_dir(data_dir))


def given(name: str) -> str:
    """What the environment says in `name`, or in the file that `name`_FILE names; else empty."""
    if path := os.environ.get(f"{name}_FILE", ""):
        return Path(path).read_text().strip()
    return os.environ.get(name, "")


def celery_broker_url(url: str) -> str:
    """The same server in Celery's words: kombu writes a unix socket as redis+socket://PATH?virtual_host=DB."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    database = re.search(r"(?:^|&)db=(\d+)", parts.query)
    return f"redis+socket://{parts.path}?virtual_host={database.group(1) if database else 0}"


def data_dir_lock(data_dir: Path) -> IO[str]:
    """Hold `data_dir` for this process; the kernel frees it when the process ends. Raises EmbeddedError."""
    private_dir(data_dir)
    lock = (data_dir / "hub.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise EmbeddedError(
            f"Another hub (process {holder}) already uses the data folder {data_dir}. "
            "Stop it first, or give this one its own folder with HUB_DATA_DIR."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def private_dir(path: Path) -> Path:
    """Make `path`, 0700, with its parents."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def socket_dir(data_dir: Path) -> Path:
    """Where the sockets of `data_dir` lie: inside it, or in a short folder where that is too long or odd."""
    inside = data_dir.resolve() / "run"
    if len(os.fsencode(inside)) <= SOCKET_DIR_BYTES_MAX and SOCKET_DIR_PLAIN.fullmatch(str(inside)):
        return inside
    digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:12]
    outside = Path(tempfile.gettempdir()) / f"{_outside_prefix()}{digest}"
    if outside.exists():
        refuse_foreign(outside)
    return outside


def refuse_foreign(path: Path) -> None:
    """The shared temporary folder is anybody's: raise EmbeddedError unless `path` is a closed folder.

    Its owner is this user, or as root the user that PostgreSQL runs as.
    """
    status = path.lstat()
    ours = status.st_uid == os.geteuid() or os.geteuid() == 0
    if not stat.S_ISDIR(status.st_mode) or not ours or status.st_mode & 0o077:
        raise EmbeddedError(
            f"{path} belongs to somebody else or is open to others. Remove it and start again."
        )


def socket_dir_remove(path: Path) -> None:
    """After both servers have ended. What a killed one left in it goes too; anything else stays, with the folder."""
    for name in SOCKET_NAMES:
        (path / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.rmdir()


def socket_dirs_tidy(*, keep: Path) -> None:
    """Remove what hubs of this user on other data folders left behind: empty folders, and no new ones.

    A folder is empty for a moment while its hub starts.
    """
    for path in Path(tempfile.gettempdir()).glob(f"{_outside_prefix()}*"):
        with contextlib.suppress(OSError):
            if path != keep and time.time() - path.lstat().st_mtime > STALE_AFTER_S:
                path.rmdir()  # not one with anything in it, nor a link


def _outside_prefix() -> str:
    return f"hearthline-{os.geteuid()}-"
