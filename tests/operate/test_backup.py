"""`manage.py backup` and `restore`, with real servers."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pyrage import x25519
from pytest_django.fixtures import Settings

from config.archive import BackupError, Packer, pack, unpack
from config.embedded import EmbeddedServers, embedded_start
from tests.operate.hub_process import ROOT, environment_for

pytestmark = pytest.mark.integration

PHRASE = "a passphrase of some length"
SOUND = b"sealed sound " * 10_000
MAKE = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from households.record.audit import AuditKind, audit_note
from households.models import Household, Membership, User
home = Household.objects.create(name="Lake House")
user = User.objects.create_user("anna@example.org", "a long enough password", name="Anna")
Membership.objects.create(user=user, household=home, role="owner")
audit_note(home, AuditKind.SIGNED_IN, actor=user)
"""
LOOK = """
import django; django.setup()
from django.db import connection
from households.record.chain import audit_check
from households.models import Household, User
home = Household.objects.get()
check = audit_check(home)
print(home.name, User.objects.get().email, check.count, check.broken_at, connection.settings_dict["USER"])
"""


def run(data_dir: Path, *words: str, fails: bool = False) -> str:
    """A command of the hub, or with -c some lines, on this data folder. What it said."""
    environment = environment_for(data_dir) | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) is fails, done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a hub whose database runs."""
    data_dir = tmp_path_factory.mktemp("hub") / "data"
    servers = start(data_dir)
    run(data_dir, "-c", MAKE)
    for name in ("recordings/home/call/one.sealed", "authority/ca.key", "recordings/home/.being-written"):
        path = data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SOUND)
    (data_dir.parent / "phrase").write_text(f"{PHRASE}\n")
    yield data_dir
    servers.stop()


def start(data_dir: Path) -> EmbeddedServers:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "REDIS_URL"):
            patch.delenv(name, raising=False)
        return embedded_start(data_dir, durable=False)


@pytest.mark.parametrize("way", ["passphrase", "recipient"])
def test_a_hub_is_back_from_its_backup_with_all_that_it_had(home: Path, tmp_path: Path, way: str) -> None:
    identity = x25519.Identity.generate()
    (tmp_path / "key").write_text(f"# created: today\n{identity}\n")
    phrase = ["--passphrase-file", str(home.parent / "phrase")]
    to = ["--to", str(identity.to_public())] if way == "recipient" else phrase
    key = ["--identity", str(tmp_path / "key")] if way == "recipient" else phrase
    file, empty = tmp_path / "hub.backup", tmp_path / "new"
    run(home, "manage.py", "backup", str(file), *to)
    assert file.stat().st_mode & 0o777 == 0o600
    secret = (home / "secrets" / "DATA_KEY").read_bytes()
    written = file.read_bytes()
    for told in (secret, SOUND[:100], b"anna@example.org", b"manifest.json", PHRASE.encode()):
        assert told not in written
    said = run(empty, "manage.py", "restore", str(file), *key)
    assert f"files are back. Start the hub: HUB_DATA_DIR={empty} ./start" in said
    assert (empty / "recordings/home/call/one.sealed").read_bytes() == SOUND
    assert not (empty / "recordings/home/.being-written").exists()
    for name in ("SECRET_KEY", "DATA_KEY", "TURN_SECRET"):
        path = empty / "secrets" / name
        assert path.read_bytes() == (home / "secrets" / name).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    servers = start(empty)
    try:
        said = run(empty, "-c", LOOK)
    finally:
        servers.stop()
    assert said.split("\n")[0] == "Lake House anna@example.org 1 None hearthline"


def test_an_unencrypted_one_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short\n")
    for words in ([], ["--passphrase-file", str(tmp_path / "short")], ["--to", "age1nobody"]):
        with pytest.raises(CommandError, match=r"encrypt|recipient"):
            call_command("backup", str(tmp_path / "hub.backup"), *words)
        assert list(tmp_path.iterdir()) == [tmp_path / "short"]


def test_nothing_is_put_back_into_a_hub_that_runs_or_has_something(
    tmp_path: Path, settings: Settings
) -> None:
    with pytest.raises(CommandError, match="Stop the hub first"):
        call_command("restore", str(tmp_path / "hub.backup"))
    settings.DATA_DIR = tmp_path / "data"
    kept = settings.DATA_DIR / "recordings" / "home" / "one.sealed"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(SOUND)
    for _ in range(2):  # the first one leaves the folder free
        with pytest.raises(CommandError, match="not empty"):
            call_command("restore", str(tmp_path / "hub.backup"))
    assert kept.read_bytes() == SOUND


def test_a_command_that_fails_says_so_in_one_line_and_to_the_shell(tmp_path: Path) -> None:
    said = run(tmp_path, "manage.py", "restore", str(tmp_path / "missing"), fails=True)
    assert "No such file" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("phrase", "problem"), [("another passphrase", "This does not open"), (PHRASE, "pg_restore failed")]
)
def test_one_that_fails_leaves_no_folder_that_was_not_there(
    tmp_path: Path, phrase: str, problem: str
) -> None:
    file, given = tmp_path / "hub.backup", tmp_path / "phrase"
    small(file, phrase=PHRASE)  # it has no rows, so that it fails when the servers run
    given.write_text(f"{phrase}\n")
    new = tmp_path / "new"
    said = run(new, "manage.py", "restore", str(file), "--passphrase-file", str(given), fails=True)
    assert problem in said
    assert sorted(tmp_path.iterdir()) == [file, given]


def small(path: Path, **key: str) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        packer = Packer(tar, {})
        packer.add_bytes("secrets/DATA_KEY", b"secret")
        packer.add_bytes("recordings/a", os.urandom(200_000))
        packer.finish()

    pack(path, fill, **key)


def test_a_damaged_a_short_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "small"
    small(file, phrase=PHRASE)
    whole = file.read_bytes()
    assert unpack(file, tmp_path / "ok", phrase=PHRASE)["version"] == 1
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    bad = [
        (bytes(changed), PHRASE),
        (whole[: len(whole) // 2], PHRASE),
        (whole, "another passphrase"),
        (whole, ""),
        (b"x" * 5000, PHRASE),
    ]
    for number, (data, phrase) in enumerate(bad):
        file.write_bytes(data)
        with pytest.raises(BackupError):
            unpack(file, tmp_path / str(number), phrase=phrase)


@pytest.mark.parametrize("name", ["../outside", "/outside", "recordings/../../outside"])
def test_no_file_leaves_the_folder(tmp_path: Path, name: str) -> None:
    identity = x25519.Identity.generate()

    def fill(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))

    pack(tmp_path / "evil", fill, recipient=str(identity.to_public()))
    with pytest.raises(BackupError, match="outside of itself"):
        unpack(tmp_path / "evil", tmp_path / "in" / "folder", identity=str(identity))
    assert not list(tmp_path.rglob("outside"))


def test_what_goes_wrong_on_the_way_leaves_the_former_backup(tmp_path: Path) -> None:
    small(tmp_path / "small", phrase=PHRASE)
    former = (tmp_path / "small").read_bytes()

    def fill(tar: tarfile.TarFile) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        pack(tmp_path / "small", fill, phrase=PHRASE)
    assert (tmp_path / "small").read_bytes() == former
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
