"""In which order tests run, and how their database is made and emptied."""

from pathlib import Path

import pytest

KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission")
_HERE = Path(__file__).parent
# These wait, for browsers or for processes.
WAITING = ("e2e", "operate", "media", "whip", "network")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers, what else waits, and what computes are each spread over the whole run, and what waits ends before.

    A page that is open costs time as long as it is, so the processes of pytest-xdist should not all have one at once.
    """
    groups: dict[str, list[Path]] = {"e2e": [], "waits": [], "computes": []}
    for path in dict.fromkeys(item.path for item in items):
        folder = path.relative_to(_HERE).parts[0] if path.is_relative_to(_HERE) else ""
        groups["e2e" if folder == "e2e" else "waits" if folder in WAITING else "computes"].append(path)
    last = {"e2e": 0.9, "waits": 0.9, "computes": 1.0}
    place = {
        path: last[name] * number / len(group)
        for name, group in groups.items()
        for number, path in enumerate(group)
    }
    items.sort(key=lambda item: place[item.path])


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
