"""The database keeps households apart by itself: every test here goes around django-scopes."""

import asyncio
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import prefetch_related_objects
from django_scopes import scope, scopes_disabled

from calls.models import Call
from config.checks import second_wall_check
from config.embedded import EmbeddedServers
from config.open_tables import OPEN_TABLES
from config.postgresql import ROLE, binaries_dir
from devices.models import Device, DevicePresence, DeviceToken, Room
from households.models import AuditEntry, Membership
from tests.access.rows import rows_fill
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def tables() -> set[str]:
    """Of all models, also those that Django makes for many-to-many fields."""
    return {model._meta.db_table for model in apps.get_models(include_auto_created=True)}


def walled() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid "
            "WHERE relrowsecurity AND relforcerowsecurity AND polcmd = '*' AND polpermissive"
        )
        return {row[0] for row in cursor.fetchall()}


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{table}"')
        return int(cursor.fetchone()[0])


@pytest.fixture
def filled(cast: Cast) -> Cast:
    """One row of each kind in both households."""
    rows_fill(cast.anna, cast.kitchen)
    rows_fill(cast.carla, cast.cellar)
    return cast


def test_every_table_is_walled_or_named_with_a_reason() -> None:
    assert tables() - walled() == set(OPEN_TABLES), (
        "add common.database.wall.HouseholdWall to the migration, or a reason to config/open_tables.py"
    )


def test_of_every_walled_table_a_household_sees_its_own_rows_and_without_a_scope_nobody_sees_any(
    filled: Cast,
) -> None:
    for table in sorted(walled()):
        nothing = count(table)
        with scope(household=filled.anna.household):
            own = count(table)
        with scope(household=filled.carla.household):
            others = count(table)
        with scopes_disabled():
            every = count(table)
        assert (nothing, own > 0, others > 0, own + others) == (0, True, True, every), table


def test_base_managers_raw_queries_and_joins_show_nothing_foreign(filled: Cast) -> None:
    with scope(household=filled.anna.household):
        assert set(Device._base_manager.values_list("pk", flat=True)) == {filled.kitchen.pk}
        assert {row.pk for row in Device.objects.raw("SELECT * FROM devices_device")} == {filled.kitchen.pk}
        DeviceToken.objects.create(device=filled.cellar, token_hash="x")  # an open table, foreign device
        assert not DeviceToken.objects.filter(device__name="Cellar speaker").exists()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT d.name FROM households_household h JOIN devices_device d ON household_id = h.id"
            )
            assert cursor.fetchall() == [("Kitchen speaker",)]


def test_lookups_along_foreign_keys_and_prefetches_show_nothing_foreign(filled: Cast) -> None:
    token = DeviceToken.objects.create(device=filled.cellar, token_hash="x")
    with scope(household=filled.anna.household):
        with pytest.raises(Device.DoesNotExist):
            DeviceToken.objects.get(pk=token.pk).device  # noqa: B018
        rooms = [Room(pk=filled.cellar.room_id, household=filled.anna.household)]
        prefetch_related_objects(rooms, "devices")
        assert list(rooms[0].devices.all()) == []
        with pytest.raises(Device.DoesNotExist):
            Device(pk=filled.cellar.pk).refresh_from_db()


def test_nothing_foreign_is_changed_deleted_or_added(filled: Cast) -> None:
    other = filled.carla.household
    with scope(household=filled.anna.household):
        assert Device._base_manager.filter(pk=filled.cellar.pk).update(name="Ours") == 0
        assert Device._base_manager.filter(pk=filled.cellar.pk)._raw_delete("default") == 0
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Device._base_manager.filter(pk=filled.kitchen.pk).update(household=other)
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Room.objects.create(household=other, name="Ours")
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            DevicePresence.objects.filter(device=filled.kitchen).update(device=filled.cellar)
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            AuditEntry.objects.bulk_create(
                [AuditEntry(household=other, number=99, at=filled.kitchen.claimed_at)]
            )
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        Room.objects.create(household=other, name="Nobody's")


def test_copies_show_nothing_foreign_and_add_nothing(filled: Cast) -> None:
    with scope(household=filled.anna.household), connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT name FROM devices_device) TO STDOUT") as copied:
            assert b"".join(copied).split(b"\n") == [b"Kitchen speaker", b""]
        with cursor.copy("COPY households_auditentry (household_id) TO STDOUT") as copied:
            assert set(b"".join(copied).split()) == {str(filled.anna.household_id).encode()}
        with (
            pytest.raises(psycopg.errors.FeatureNotSupported),
            transaction.atomic(),
            cursor.copy("COPY devices_room (name) FROM STDIN") as copying,
        ):
            copying.write(b"Ours\n")


def test_a_cursor_that_is_older_than_the_scope_sees_what_the_scope_sees(filled: Cast) -> None:
    with connection.cursor() as cursor:
        for household in (filled.anna.household, filled.carla.household):
            with scope(household=household):
                cursor.execute("SELECT DISTINCT household_id FROM devices_device")
                assert cursor.fetchall() == [(household.pk,)]
        cursor.execute("SELECT count(*) FROM devices_device")
        assert cursor.fetchone() == (0,)


def test_a_long_reading_goes_on_where_another_household_is_looked_at_in_between(filled: Cast) -> None:
    with scopes_disabled():
        Room.objects.bulk_create(
            Room(household=filled.carla.household, name=f"Room {number}") for number in range(30)
        )
        seen = 0
        for room in Room.objects.order_by("pk").iterator(chunk_size=5):
            with scope(household=room.household):
                assert Room.objects.filter(pk=room.pk).exists()
            seen += 1
        assert seen == Room.objects.count() == 32


def test_after_a_rollback_the_scope_is_told_again(filled: Cast) -> None:
    def own() -> set[int]:
        return set(Device._base_manager.values_list("household_id", flat=True))

    anna, carla = filled.anna.household, filled.carla.household
    with scope(household=anna):
        assert own() == {anna.pk}
        with pytest.raises(IntegrityError), transaction.atomic(), scope(household=carla):
            Room.objects.bulk_create(Room(household=carla, name="Twice") for _ in range(2))
        assert own() == {anna.pk}
        point = transaction.savepoint()
        with scope(household=carla):
            assert own() == {carla.pk}
        transaction.savepoint_rollback(point)
        with scope(household=carla):
            assert own() == {carla.pk}
        assert own() == {anna.pk}
    assert own() == set()


@pytest.mark.django_db(transaction=True)
def test_after_a_rollback_or_a_new_connection_the_scope_is_told_again(filled: Cast) -> None:
    anna, carla = filled.anna.household, filled.carla.household
    with scope(household=anna):
        assert Device._base_manager.get().pk == filled.kitchen.pk
        with transaction.atomic(), scope(household=carla):
            assert Device._base_manager.get().pk == filled.cellar.pk
            transaction.set_rollback(True)
        assert Device._base_manager.get().pk == filled.kitchen.pk
        connection.close()
        assert Device._base_manager.get().pk == filled.kitchen.pk
    connection.close()
    assert not Device._base_manager.exists()


@pytest.mark.django_db(transaction=True)
def test_threads_do_not_see_each_others_households(filled: Cast) -> None:
    households = [filled.anna.household, filled.carla.household]

    def look(number: int) -> bool:
        household = households[number % 2]
        try:
            with scope(household=household):
                return set(Call._base_manager.values_list("household_id", flat=True)) == {household.pk}
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(look, range(40)))


@pytest.mark.django_db(transaction=True)
async def test_async_queries_see_their_own_scope(filled: Cast) -> None:
    async def look(member: Membership) -> set[int]:
        with scope(household=member.household):
            await asyncio.sleep(0)
            return {pk async for pk in Device._base_manager.values_list("household_id", flat=True)}

    found = await asyncio.gather(look(filled.anna), look(filled.carla))
    assert list(found) == [{filled.anna.household_id}, {filled.carla.household_id}]


def test_the_server_is_asked_only_when_the_scope_changes(
    filled: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    execute = connection.connection.execute

    def note(sql: str, values: list[str]) -> object:
        told.extend(values)
        return execute(sql, values)

    with scope(household=filled.anna.household):
        assert Device.objects.exists()
        monkeypatch.setattr(connection.connection, "execute", note)
        for _ in range(3):
            assert Device.objects.exists()
    assert told == []
    assert not Device._base_manager.exists()
    with scopes_disabled():
        assert Device.objects.exists()
    assert told == ["", "all"]


@pytest.mark.django_db(transaction=True)
def test_a_backup_of_all_rows_names_the_setting(filled: Cast, tmp_path: Path) -> None:
    given = connection.settings_dict
    command = [str(binaries_dir() / "pg_dump"), "-h", str(given["OPTIONS"]["host"]), "-U", str(given["USER"])]
    command += ["--data-only", "--table", "devices_device", str(given["NAME"])]
    blind = subprocess.run(command, capture_output=True, text=True, check=False)
    assert blind.returncode != 0
    assert "row-level security" in blind.stderr
    whole = subprocess.run(
        [*command, "--enable-row-security"],
        env={"PGOPTIONS": "-c hearthline.household=all"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Kitchen speaker" in whole.stdout
    assert "Cellar speaker" in whole.stdout


def test_a_role_that_passes_the_wall_is_told_of(servers: EmbeddedServers) -> None:
    assert second_wall_check(databases=["default"]) == []
    if servers.postgres is None:
        pytest.skip("the server is not ours, so its roles stay as they are")
    with psycopg.connect(servers.postgres.superuser_url, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {ROLE} BYPASSRLS")
        try:
            warnings = second_wall_check(databases=["default"])
        finally:
            admin.execute(f"ALTER ROLE {ROLE} NOBYPASSRLS")
    assert [warning.id for warning in warnings] == ["hearthline.W001"]
    assert "one wall instead of two" in warnings[0].msg
