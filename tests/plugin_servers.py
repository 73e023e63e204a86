"""A pytest plugin, loaded by `-p` before Django's settings: where the tests' data lies, and real servers.

The private PostgreSQL and Valkey start when the first test needs them: one that uses the database, one that
is marked `integration` or `e2e`, or one that asks for `servers`. Their URLs follow from HUB_DATA_DIR, so
settings and child processes that are started with this environment find them without being told.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before the first import of ours: importing `config` makes the Celery app, which would choose production's settings.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
from config.embedded import EmbeddedServers, embedded_start

# One of several processes of pytest-xdist inherits the folder that the first one made, and needs its own.
_MADE_HERE = "HUB_DATA_DIR" not in os.environ or "PYTEST_XDIST_WORKER" in os.environ
if _MADE_HERE:
    os.environ["HUB_DATA_DIR"] = tempfile.mkdtemp(prefix="hearthline-test-")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The data folder of this test run."""
    return Path(os.environ["HUB_DATA_DIR"])


@pytest.fixture(scope="session")
def servers(data_dir: Path) -> Iterator[EmbeddedServers]:
    """PostgreSQL and Valkey, shared by the test run; or what DATABASE_URL and REDIS_URL say."""
    started = embedded_start(data_dir, durable=False)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: EmbeddedServers) -> None:
    """pytest-django asks for this before it makes the test database."""


@pytest.fixture(autouse=True)
def servers_where_marked(request: pytest.FixtureRequest) -> None:
    if any(request.node.get_closest_marker(name) for name in ("integration", "e2e")):
        request.getfixturevalue("servers")


def pytest_unconfigure() -> None:
    if _MADE_HERE:
        shutil.rmtree(os.environ["HUB_DATA_DIR"], ignore_errors=True)
