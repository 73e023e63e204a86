"""In which order tests run, and how their database is made and emptied."""

from pathlib import Path

import pytest

KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission")
WAITING = ("e2e", "operate", "media", "whip", "network")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait for browsers and processes are spread among those that compute, and none is left for the end.

    So that of several processes of pytest-xdist never all wait, and never all compute.
    """
    files = dict.fromkeys(item.path for item in items)
    waiting = [path for path in files if _folder(path) in WAITING]
    computing = [path for path in files if _folder(path) not in WAITING]
    place = {path: 0.9 * n / len(waiting) for n, path in enumerate(waiting)}
    place |= {path: n / len(computing) for n, path in enumerate(computing)}
    items.sort(key=lambda item: place[item.path])


def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The whole server is thrown away at the end; threads of the channel layer may still hold connections."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Tests of django_db(transaction=True) are emptied row by row: truncating every table takes a second."""
    from django.test import TransactionTestCase

    TransactionTestCase._fixture_teardown = _rows_delete  # type: ignore[attr-defined]


def _rows_delete(case: object) -> None:
    from django.core.cache import cache
    from django.db import connection, transaction
    from django_scopes import scopes_disabled

    # Foreign keys are checked at the end of the transaction, so the order does not matter.
    with scopes_disabled(), transaction.atomic(), connection.cursor() as cursor:
        tables = [t for t in connection.introspection.table_names() if t not in KEPT_TABLES]
        cursor.execute("SET LOCAL hearthline.audit_purge = 'on'")
        cursor.execute("".join(f'DELETE FROM "{table}";' for table in tables))
    cache.clear()
