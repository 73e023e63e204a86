"""A backup of the whole hub while it runs, and its way back into an empty data folder."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from common.clock import now
from common.database.base import ALL, SETTING
from common.files import folder_make_private
from common.processes import without_secrets
from config.archive import BackupError, Packer, pack, unpack
from config.embedded import EmbeddedServers, data_dir_lock, embedded_start, given
from config.errors import EmbeddedError
from config.postgresql import SUPERUSER, binaries_dir

SECRETS: Final = ("SECRET_KEY", "DATA_KEY", "TURN_SECRET")
FOLDERS: Final = ("authority", "recordings", "clips")
PHRASE_LENGTH_LEAST: Final = 12
_ROWS: Final = "database.dump"


def backup_make(target: Path, *, recipient: str = "", phrase: str = "") -> int:
    """How many files it has. Raises BackupError, also where nothing says for whom to encrypt."""
    if not recipient and len(phrase) < PHRASE_LENGTH_LEAST:
        raise BackupError(
            "A backup holds every key of the hub, so it is never written unencrypted: "
            f"give a recipient of age, or a passphrase of at least {PHRASE_LENGTH_LEAST} characters."
        )
    count = 0

    def fill(tar: tarfile.TarFile) -> None:
        nonlocal count
        connection.ensure_connection()  # where there is none, pg_dump would say so in words of its own
        packer = Packer(tar, {"made_at": now().isoformat(), "hub": settings.HUB_VERSION})
        for name in SECRETS:  # also those that the environment gave
            packer.add_bytes(f"secrets/{name}", str(getattr(settings, name)).encode())
        with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix=".backup-") as folder:
            rows = Path(folder) / _ROWS
            _dump(rows)
            packer.add(_ROWS, rows)
        for path in _files():
            packer.add(str(path.relative_to(settings.DATA_DIR)), path)
        count = packer.finish()

    pack(target, fill, recipient=recipient, phrase=phrase)
    return count


def backup_restore(source: Path, *, identity: str = "", phrase: str = "") -> int:
    """Into an empty data folder of a hub that does not run, or a new one, of which nothing stays where this fails.

    How many files. Raises BackupError.
    """
    is_new = not settings.DATA_DIR.exists()
    try:
        lock = data_dir_lock(settings.DATA_DIR)
    except EmbeddedError:
        raise BackupError("Stop the hub first.") from None
    with lock, ExitStack() as undone:
        if is_new:
            undone.callback(shutil.rmtree, settings.DATA_DIR, ignore_errors=True)
        if any(next(iter((settings.DATA_DIR / name).rglob("*")), None) for name in FOLDERS):
            raise BackupError("The data folder is not empty. Give an empty one with HUB_DATA_DIR.")
        with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix=".restore-") as folder:
            manifest = unpack(source, Path(folder), identity=identity, phrase=phrase)
            servers = embedded_start(settings.DATA_DIR, lock=lock)
            try:
                _load(Path(folder) / _ROWS, servers)
            finally:
                connections.close_all()
                servers.stop()
            _take_in(Path(folder))
        undone.pop_all()
    return len(manifest["files"])


def _files() -> list[Path]:
    """Finished ones: what is being written has a name with a dot before it."""
    roots = (settings.DATA_DIR / name for name in FOLDERS)
    return sorted(p for root in roots for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))


def _take_in(folder: Path) -> None:
    """Secrets that this start made belonged to nobody."""
    for name in SECRETS:
        (settings.DATA_DIR / "secrets" / name).unlink(missing_ok=True)
    for name in (*FOLDERS, "secrets"):
        for path in sorted((folder / name).rglob("*")):
            place = settings.DATA_DIR / path.relative_to(folder)
            if path.is_dir():
                folder_make_private(place)
            else:
                folder_make_private(place.parent)
                path.replace(place)


def _dump(target: Path) -> None:
    """With the rows of every household: without the setting of _environment() it would be empty, and say nothing."""
    words = ("--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    _run("pg_dump", "--enable-row-security", *words)


def _load(source: Path, servers: EmbeddedServers) -> None:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    if tables:
        raise BackupError("The database is not empty.")
    role = ["--role", connection.settings_dict["USER"]] if servers.postgres else []
    name = connection.settings_dict["NAME"]
    _run(
        "pg_restore",
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        *role,
        f"--dbname={name}",
        str(source),
    )
    call_command("migrate", interactive=False, verbosity=0)


def _run(program: str, *words: str) -> None:
    """Passwords go by the environment: everybody on the machine can see a command line."""
    done = subprocess.run(
        [_binary(program), *words], env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackupError(f"{program} failed: {_why(done.stderr)}")


def _why(said: str) -> str:
    """The line that tells what went wrong; what follows it are details, such as the query."""
    lines = said.strip().splitlines() or ["no word"]
    return next((line for line in lines if "error:" in line), lines[-1])


def _binary(name: str) -> str:
    """The ones of the private server: an older one on PATH does not read what a newer server has."""
    try:
        return str(binaries_dir() / name)
    except EmbeddedError:
        if found := shutil.which(name):
            return found
        raise BackupError(f"{name} is missing. Install it: sudo apt install postgresql-client") from None


def _environment() -> dict[str, str]:
    """As who `pg_dump` and `pg_restore` come. A role that is no superuser sees the rows that its session asks for."""
    database = connection.settings_dict
    is_private = not given("DATABASE_URL")
    names = {
        "PGHOST": database.get("HOST") or database.get("OPTIONS", {}).get("host", ""),
        "PGPORT": str(database.get("PORT") or ""),
        "PGUSER": SUPERUSER if is_private else database.get("USER", ""),
        "PGPASSWORD": database.get("PASSWORD", ""),
        "PGDATABASE": database.get("NAME", ""),
        "PGOPTIONS": f"-c {SETTING}={ALL}",
    }
    return without_secrets(os.environ) | {name: value for name, value in names.items() if value}
