"""How the tests' database is made and emptied."""

import pytest

KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The main job comes last: whoever reads the end of a log sees whether the product does what it is for."""
    items.sort(key=lambda item: "test_main_job" in item.nodeid)


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
