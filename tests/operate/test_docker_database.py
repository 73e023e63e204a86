"""The role that the hub gets in Docker's PostgreSQL, on a real server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded import socket_dir, socket_dir_remove
from config.postgresql import DATABASE, ROLE, SUPERUSER, PostgresServer, binaries_dir
from tests.operate.hub_process import ROOT, environment_for

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "postgres-role"
PASSWORD = 'it\'s a "test"'  # a quote of each kind


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PostgresServer]:
    """As Docker's image leaves it before it runs the scripts: an empty database, and the superuser."""
    folder = tmp_path_factory.mktemp("docker")
    for path in (folder, *folder.parents[:3]):
        path.chmod(path.stat().st_mode | 0o011)  # PostgreSQL does not run as root, and must get here
    sockets = socket_dir(folder)
    found = PostgresServer(folder / "postgresql", socket_dir=sockets, durable=False)
    monkeypatch.setattr(found, "prepare_role", lambda: None)
    found.start()
    with psycopg.connect(found.superuser_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
        connection.execute(f"ALTER ROLE {SUPERUSER} PASSWORD 'the same'")
    yield found
    found.stop()
    socket_dir_remove(sockets)


@pytest.fixture
def role(server: PostgresServer) -> PostgresServer:
    """After Docker's image ran our script."""
    environment = {
        "PATH": f"{binaries_dir()}:{os.environ['PATH']}",
        "PGHOST": str(server.socket_dir),
        "POSTGRES_USER": SUPERUSER,
        "POSTGRES_DB": DATABASE,
        "POSTGRES_PASSWORD": PASSWORD,
    }
    subprocess.run([SCRIPT], env=environment, check=True, capture_output=True)
    return server


def test_the_hub_owns_its_database_and_is_no_superuser(role: PostgresServer) -> None:
    with psycopg.connect(role.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE a_migration_may (id int)")
        found = connection.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = %s", [ROLE])
        assert found.fetchone() == (False, False)
    with psycopg.connect(role.superuser_url) as connection:
        row = connection.execute("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = %s", [SUPERUSER])
        assert row.fetchone() == (True,)


MAKE = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django_scopes import scopes_disabled
from devices.models import Room
from households.models import Household
with scopes_disabled():
    for name in ("Lake House", "Mill"):
        Room.objects.create(household=Household.objects.create(name=name), name=f"Kitchen of {name}")
"""
LOOK = """
import django; django.setup()
from django_scopes import scopes_disabled
from devices.models import Room
with scopes_disabled():
    print(sorted(room.name for room in Room.objects.all()))
"""


def run(url: str, data_dir: Path, *words: str) -> str:
    environment = environment_for(data_dir) | {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_this_role_makes_a_backup_of_every_home_and_takes_it_back(
    role: PostgresServer, tmp_path: Path
) -> None:
    with psycopg.connect(role.superuser_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE empty OWNER {ROLE}")
    file, phrase = str(tmp_path / "hub.backup"), tmp_path / "phrase"
    phrase.write_text("a long enough phrase\n")
    (tmp_path / "old").mkdir()
    run(role.url, tmp_path / "old", "-c", MAKE)
    run(role.url, tmp_path / "old", "manage.py", "backup", file, "--passphrase-file", str(phrase))
    url = role.url.replace(f"/{DATABASE}?", "/empty?")
    assert url != role.url
    run(url, tmp_path / "new", "manage.py", "restore", file, "--passphrase-file", str(phrase))
    assert run(url, tmp_path / "new", "-c", LOOK).strip() == "['Kitchen of Lake House', 'Kitchen of Mill']"
