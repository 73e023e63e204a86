"""A rule that an owner sets while somebody removes, moves or takes over a device comes before that, or after it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from time import monotonic, sleep

import pytest
from django.db import connection
from django_scopes import scope, scopes_disabled

from common.errors import NotAllowed, NotFound
from devices.life.transfers import transfer_accept, transfer_create, transfer_find
from devices.models import Device, EchoRemoval, Room, Transfer
from devices.services import device_remove, device_update, room_get_or_create
from devices.sharing.rules import rules_save
from households.models import Membership
from households.roles import Permission, Role
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
WAIT_MOST_S = 20


@pytest.fixture
def ben(cast: Cast) -> Membership:
    """An adult of Anna's household."""
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    return member(cast.ben)


def member(who: Membership) -> Membership:
    return Membership.objects.select_related("user", "household").get(pk=who.pk)


def room(cast: Cast) -> Room:
    return room_get_or_create(household=cast.anna.household, name="Den")


def remove(cast: Cast, by: Membership) -> None:
    device_remove(membership=by, device=cast.kitchen)


def move(cast: Cast, by: Membership) -> None:
    device_update(
        membership=by,
        device=cast.kitchen,
        name="Radio",
        room=room(cast),
        is_auto_answer=True,
        echo_removal=EchoRemoval.DEVICE,
    )


def give(cast: Cast, by: Membership) -> str:
    return transfer_create(membership=by, device=cast.kitchen)[1]


def link_found(cast: Cast, by: Membership) -> Transfer:
    with scopes_disabled():
        return transfer_find(token=give(cast, by))


def take(transfer: Transfer, by: Membership) -> None:
    with scopes_disabled():
        transfer_accept(transfer=transfer, membership=by, name="Mill", room=None, is_auto_answer=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("deed", "look"),
    [
        ("removed", "devices.services.need_part"),
        ("moved", "devices.services.need_move"),
        ("taken over", "devices.life.transfers.need_part"),
    ],
)
def test_nobody_sets_a_rule_between_the_look_at_the_rules_and_the_deed(
    cast: Cast, ben: Membership, monkeypatch: pytest.MonkeyPatch, deed: str, look: str
) -> None:
    home, transfer = cast.anna.household, link_found(cast, ben)

    def save() -> str:
        try:
            with scope(household=home):
                place = Room.objects.get(name="Kitchen")
                rules_save(membership=member(cast.anna), place=place, named={Permission.CALL: [cast.anna]})
        finally:
            connection.close()
        return "saved"

    saving: list[Future[str]] = []
    module, name = look.rsplit(".", 1)
    original = getattr(import_module(module), name)

    def look_and_save(*args: object, **details: object) -> None:
        original(*args, **details)  # what there is was found good
        saving.append(pool.submit(save))
        until = monotonic() + WAIT_MOST_S
        while not saving[0].done() and not somebody_waits() and monotonic() < until:
            sleep(0.01)
        assert not saving[0].done(), "the rule was there before the deed"

    monkeypatch.setattr(look, look_and_save)
    with ThreadPoolExecutor(1) as pool, scope(household=home):
        if deed == "taken over":
            take(transfer, cast.carla)
        else:
            {"removed": remove, "moved": move}[deed](cast, ben)
        assert saving[0].result(WAIT_MOST_S) == "saved"
        kitchen = Device.objects.select_related("room").get(pk=cast.kitchen.pk)
    assert str(kitchen.room) == "Den" if deed == "moved" else kitchen.revoked_at is not None


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("deed", [remove, move, give])
def test_whoever_may_not_manage_devices_any_more_does_nothing_from_a_page_that_was_open(
    cast: Cast, ben: Membership, deed: Callable[[Cast, Membership], object]
) -> None:
    Membership.objects.filter(pk=ben.pk).update(role=Role.CHILD)
    with scope(household=ben.household), pytest.raises(NotAllowed):
        deed(cast, ben)
    Membership.objects.filter(pk=ben.pk).delete()
    with scope(household=ben.household):
        with pytest.raises(NotFound):
            deed(cast, ben)
        kitchen = Device.objects.get(pk=cast.kitchen.pk)
    assert (kitchen.revoked_at, kitchen.room_id) == (None, cast.kitchen.room_id)


def test_whoever_may_not_manage_devices_any_more_takes_none_over(cast: Cast) -> None:
    transfer = link_found(cast, cast.anna)
    Membership.objects.filter(pk=cast.carla.pk).update(role=Role.CHILD)
    with pytest.raises(NotAllowed):
        take(transfer, cast.carla)


def test_a_rule_that_was_set_since_the_page_was_opened_counts_for_a_move(cast: Cast, ben: Membership) -> None:
    with scope(household=ben.household):
        rules_save(membership=cast.anna, place=room(cast), named={Permission.CALL: [cast.anna]})
        with pytest.raises(NotAllowed, match="Den has rules of its own"):
            move(cast, ben)
