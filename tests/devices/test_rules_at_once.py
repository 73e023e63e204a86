"""Several people change rooms and rules at the same moment: each reads what came of it, and nobody meets an error."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django_scopes import scope

from common.errors import Conflict, DomainError, Invalid, NotFound
from devices.foreign import foreign_device_create
from devices.models import AccessRule, Device, EchoRemoval, Room
from devices.rooms import room_remove, room_rename
from devices.services import device_unclaim, device_update, room_get_or_create
from devices.sharing.rules import rules_save
from households.models import Membership
from households.roles import Permission, Role
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
P = Permission
PEOPLE = 8


def at_once(cast: Cast, deeds: list[Callable[[], object]]) -> list[str]:
    """What each came to: "" where it was done."""
    ready = Barrier(len(deeds))

    def do(deed: Callable[[], object]) -> str:
        try:
            with scope(household=cast.anna.household):
                ready.wait()
                deed()
        except DomainError as refusal:
            return refusal.message
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["device", "room"])
def test_of_several_owners_who_set_the_same_rule_at_once_none_meets_an_error(cast: Cast, place: str) -> None:
    where = cast.kitchen if place == "device" else cast.kitchen.room
    assert where

    def save() -> None:
        owner = Membership.objects.select_related("user", "household").get(pk=cast.anna.pk)
        rules_save(membership=owner, place=where, named={P.CALL: [cast.ben], P.ANNOUNCE: [cast.ben]})

    assert at_once(cast, [save] * PEOPLE) == [""] * PEOPLE
    with scope(household=cast.anna.household):
        assert AccessRule.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_several_who_give_rooms_one_name_at_once_the_others_read_that_it_is_taken(cast: Cast) -> None:
    home = cast.anna.household
    with scope(household=home):
        rooms = [Room.objects.create(household=home, name=f"Room {number}") for number in range(PEOPLE)]

    def rename(room: Room) -> Callable[[], None]:
        owner = Membership.objects.select_related("user", "household").get(pk=cast.anna.pk)
        return lambda: room_rename(membership=owner, room=room, name="Hall")

    found = at_once(cast, [rename(room) for room in rooms])
    assert sorted(found) == ["", *["There is a room named Hall already."] * (PEOPLE - 1)]


def test_a_rule_names_nobody_who_became_a_guest_meanwhile(cast: Cast) -> None:
    open_page = Membership.objects.get(pk=cast.ben.pk)
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
    with scope(household=cast.anna.household):
        with pytest.raises(Invalid, match="no longer here"):
            rules_save(membership=cast.anna, place=cast.kitchen, named={P.CALL: [open_page]})
        assert not AccessRule.objects.exists()


def test_what_was_removed_meanwhile_gets_no_rule(cast: Cast) -> None:
    home = cast.anna.household
    with scope(household=home):
        hall = room_get_or_create(household=home, name="Hall")
        device_unclaim(device=cast.kitchen)
        room_remove(membership=cast.anna, room=Room.objects.get(pk=hall.pk))
        for place in (cast.kitchen, hall):
            with pytest.raises(NotFound):
                rules_save(membership=cast.anna, place=place, named={P.CALL: [cast.anna]})
        with pytest.raises(NotFound):
            room_rename(membership=cast.anna, room=hall, name="Attic")
        with pytest.raises(NotFound):
            room_remove(membership=cast.anna, room=hall)
        assert not AccessRule.objects.exists()


def test_nothing_is_put_into_a_room_that_was_removed_meanwhile(cast: Cast) -> None:
    home, kitchen = cast.anna.household, cast.kitchen
    with scope(household=home):
        hall = room_get_or_create(household=home, name="Hall")
        room_remove(membership=cast.anna, room=Room.objects.get(pk=hall.pk))
        with pytest.raises(Conflict, match="Hall was removed a moment ago"):
            device_update(
                membership=cast.anna,
                device=kitchen,
                name="K",
                room=hall,
                is_auto_answer=True,
                echo_removal=EchoRemoval.DEVICE,
            )
        with pytest.raises(Conflict, match="Hall was removed a moment ago"):
            foreign_device_create(membership=cast.anna, name="Door", room=hall)
        assert [device.name for device in Device.objects.all()] == ["Kitchen speaker"]
