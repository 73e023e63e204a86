"""What a page offers is what its reader may do, and nothing else."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_scopes import scope
from pytest_django import DjangoAssertNumQueries

from devices.models import Device
from households.models import Membership
from households.roles import Permission, Role
from tests.plugin_cast import Cast, browser_of, device_make, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
P = Permission
RINGS = "It rings until somebody answers at the device."


def call_url(device: Device) -> str:
    return reverse("devices:call", args=[device.public_id])


def announce_url(device: Device) -> str:
    return f"{reverse('announcements:compose')}?device={device.public_id}"


def test_home_offers_only_what_a_rule_leaves(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        attic, _ = device_make(cast.anna, "Attic speaker", "Attic")
        for right in (P.CALL, P.ANNOUNCE):
            rule_make(right, cast.ben, device=attic)
    page = browser_of(cast.anna).get("/").content.decode()
    assert attic.name in page
    assert (call_url(attic) in page, announce_url(attic) in page) == (False, False)
    assert (call_url(cast.kitchen) in page, announce_url(cast.kitchen) in page) == (True, True)
    page = browser_of(cast.ben).get("/").content.decode()
    assert (call_url(attic) in page, announce_url(attic) in page) == (True, True)


MAY_NOT = "An owner of this home can allow it."
CHANGE = "Change who may</a>"


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ((P.CALL,), "You may not call it."),
        ((P.ANNOUNCE,), "You may not announce on it."),
        ((P.CALL, P.ANNOUNCE), "You may not call it or announce on it."),
    ],
)
def test_where_a_rule_took_a_button_away_stands_who_can_give_it_back(
    cast: Cast, rights: tuple[P, ...], words: str
) -> None:
    pages = ("/", reverse("devices:detail", args=[cast.kitchen.public_id]))
    ben, anna = browser_of(cast.ben), browser_of(cast.anna)
    for page in pages:
        assert "You may not" not in ben.get(page).content.decode()
    carla = Membership.objects.create(user=cast.carla.user, household=cast.anna.household, role=Role.ADULT)
    with scope(household=cast.anna.household):
        for right in rights:
            rule_make(right, carla, device=cast.kitchen)
    for page in pages:
        told = " ".join(ben.get(page).content.decode().split())
        assert f"{words} {MAY_NOT}" in told
        told = " ".join(anna.get(page).content.decode().split())
        assert words in told
        assert (CHANGE in told, MAY_NOT in told) == (True, False)


@pytest.mark.parametrize("role", [Role.ADULT, Role.CHILD])
def test_who_may_not_see_the_rules_of_a_room_reads_that_there_are_some(cast: Cast, role: Role) -> None:
    room = cast.kitchen.room
    assert room is not None
    Membership.objects.filter(pk=cast.ben.pk).update(role=role)
    words = f"{room.name} has rules of its own. Only an owner sees and changes them."
    page = reverse("devices:room", args=[room.public_id])
    assert words not in browser_of(cast.ben).get(page).content.decode()
    with scope(household=cast.anna.household):
        rule_make(P.CALL, cast.anna, room=room)
    assert words in browser_of(cast.ben).get(page).content.decode()
    assert words not in browser_of(cast.anna).get(page).content.decode()


def test_what_a_loan_leaves_out_is_no_rule_to_be_changed(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        loan_make(cast.kitchen, guest, can_announce=True)
    page = browser_of(guest).get("/").content.decode()
    assert cast.kitchen.name in page
    assert "You may not" not in page


def test_announce_everywhere_is_there_only_where_there_is_anywhere(cast: Cast) -> None:
    anna = browser_of(cast.anna)
    assert "Announce everywhere" in anna.get("/").content.decode()
    with scope(household=cast.anna.household):
        rule_make(P.ANNOUNCE, cast.ben, room=cast.kitchen.room)
    assert "Announce everywhere" not in anna.get("/").content.decode()


def test_the_rights_of_many_devices_take_no_more_queries_than_of_one(
    cast: Cast, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    anna = browser_of(cast.anna)
    anna.get("/")
    with scope(household=cast.anna.household):
        rule_make(P.CALL, cast.ben, device=cast.kitchen)
    with CaptureQueriesContext(connection) as of_one:
        anna.get("/")
    with scope(household=cast.anna.household):
        for number in range(5):
            device_make(cast.anna, f"Speaker {number}", "Attic")
    with django_assert_num_queries(len(of_one)):
        assert "Speaker 4" in anna.get("/").content.decode()


def test_a_page_that_may_not_be_opened_says_who_can_change_that(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        rule_make(P.CALL, cast.anna, device=cast.kitchen)
    response = browser_of(cast.ben).get(call_url(cast.kitchen))
    words = f"You may not call {cast.kitchen.name}. An owner of this home can allow it."
    assert response.status_code == 403
    assert words in response.content.decode()


def test_the_call_page_says_before_the_call_that_it_only_rings(cast: Cast) -> None:
    ben = browser_of(cast.ben)
    assert RINGS not in ben.get(call_url(cast.kitchen)).content.decode()
    with scope(household=cast.anna.household):
        rule_make(P.DROP_IN, cast.anna, device=cast.kitchen)
        assert RINGS in ben.get(call_url(cast.kitchen)).content.decode()
        assert RINGS not in browser_of(cast.anna).get(call_url(cast.kitchen)).content.decode()
        Device.objects.filter(pk=cast.kitchen.pk).update(is_auto_answer=False)
    assert RINGS in browser_of(cast.anna).get(call_url(cast.kitchen)).content.decode()


def test_a_guest_sees_what_is_lent_and_the_buttons_of_its_scope(cast: Cast) -> None:
    guest = guest_make(cast)
    gil = browser_of(guest)
    assert "Nothing is lent to you now" in gil.get("/").content.decode()
    with scope(household=cast.anna.household):
        attic, _ = device_make(cast.anna, "Attic speaker", "Attic")
        loan_make(cast.kitchen, guest, can_talk=True)
    page = gil.get("/").content.decode()
    assert cast.kitchen.name in page
    assert attic.name not in page
    assert (call_url(cast.kitchen) in page, announce_url(cast.kitchen) in page) == (True, False)
    for hidden in ("devices:add", "announcements:compose"):
        assert reverse(hidden) not in page
    assert gil.get(reverse("devices:detail", args=[attic.public_id])).status_code == 404


@pytest.mark.parametrize("role", [Role.CHILD, Role.ADULT, Role.OWNER])
def test_who_is_no_guest_knows_of_every_device(cast: Cast, role: Role) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=role)
    assert cast.kitchen.name in browser_of(cast.ben).get("/").content.decode()
