"""The role that the hub gets in Docker's PostgreSQL, on a real server."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded import socket_dir, socket_dir_remove
from config.postgresql import DATABASE, ROLE, SUPERUSER, PostgresServer, binaries_dir

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


def test_the_hub_owns_its_database_and_is_no_superuser(server: PostgresServer) -> None:
    environment = {
        "PATH": f"{binaries_dir()}:{os.environ['PATH']}",
        "PGHOST": str(server.socket_dir),
        "POSTGRES_USER": SUPERUSER,
        "POSTGRES_DB": DATABASE,
        "POSTGRES_PASSWORD": PASSWORD,
    }
    subprocess.run([SCRIPT], env=environment, check=True, capture_output=True)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE a_migration_may (id int)")
        role = "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = %s"
        assert connection.execute(role, [ROLE]).fetchone() == (False, False)
    with psycopg.connect(server.superuser_url) as connection:
        row = connection.execute("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = %s", [SUPERUSER])
        assert row.fetchone() == (True,)
