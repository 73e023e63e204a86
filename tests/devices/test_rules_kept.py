"""Whoever removes, resets and adds devices, or removes rooms, changes nobody's rights by that."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from devices.models import AccessRule, Device, EchoRemoval, Room
from devices.services import device_update, room_get_or_create
from devices.sharing.rights import devices_ever_with
from devices.sharing.rules import rules_save
from households.models import Membership
from households.record.audit import audit_list, audit_sentence
from households.roles import Permission, Role
from tests.devices.adding import added_again
from tests.plugin_cast import Cast, browser_of, device_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
HEAR = Permission.RECORDINGS_HEAR


@pytest.fixture
def ben(cast: Cast) -> Client:
    """Who is an adult here."""
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    cast.ben.refresh_from_db()
    return browser_of(cast.ben)


@pytest.fixture
def anna(cast: Cast) -> Client:
    return browser_of(cast.anna)


def hearers(cast: Cast, device: Device) -> list[str]:
    """Who may hear what was said with it."""
    with scope(household=cast.anna.household):
        members = (cast.anna, cast.ben)
        return [
            str(member.user)
            for member in members
            if devices_ever_with(member, HEAR).filter(pk=device.pk).exists()
        ]


def rule(cast: Cast, *members: Membership, **where: "Device | Room | None") -> AccessRule:
    with scope(household=cast.anna.household):
        return rule_make(HEAR, *members, **where)


def post(client: Client, name: str, thing: Device | Room | None) -> tuple[int, str]:
    assert thing
    answer = client.post(reverse(f"devices:{name}", args=[thing.public_id]))
    return answer.status_code, answer.content.decode()


def page(client: Client, name: str, thing: Device | Room | None) -> str:
    assert thing
    return client.get(reverse(f"devices:{name}", args=[thing.public_id])).content.decode()


# --- a device that is removed -------------------------------------------------------------------


@pytest.mark.parametrize("place", ["device", "room"])
def test_only_an_owner_removes_a_device_under_rules_and_the_page_says_so(
    cast: Cast, ben: Client, anna: Client, place: str
) -> None:
    """Else an adult removes it, adds it in another room, and is rid of the rules."""
    rule(cast, cast.anna, **{place: cast.kitchen if place == "device" else cast.kitchen.room})
    words = "There are rules for Kitchen speaker, so only an owner can remove it"
    assert words in page(ben, "detail", cast.kitchen)
    assert reverse("devices:remove", args=[cast.kitchen.public_id]) not in page(ben, "detail", cast.kitchen)
    status, refusal = post(ben, "remove", cast.kitchen)
    assert (status, f"{words}." in refusal) == (403, True)
    with scopes_disabled():
        assert Device.objects.get(pk=cast.kitchen.pk).revoked_at is None
    assert words not in page(anna, "detail", cast.kitchen)
    assert post(anna, "remove", cast.kitchen)[0] == 302


def test_any_adult_removes_a_device_without_rules(cast: Cast, ben: Client) -> None:
    with scope(household=cast.anna.household):
        other, _ = device_make(cast.anna, "Attic speaker", "Attic")
    rule(cast, cast.anna, device=other)
    assert reverse("devices:remove", args=[cast.kitchen.public_id]) in page(ben, "detail", cast.kitchen)
    assert post(ben, "remove", cast.kitchen)[0] == 302


# --- a device that is added again ---------------------------------------------------------------


def test_what_was_said_before_a_device_was_added_again_is_heard_by_the_same_people(
    cast: Cast, ben: Client
) -> None:
    """Also where it is another box, that only says the same serial number."""
    rule(cast, cast.anna, device=cast.kitchen)
    again = added_again(cast, cast.kitchen, cast.ben)
    assert (hearers(cast, cast.kitchen), hearers(cast, again)) == (["Anna"], ["Anna"])


def test_it_is_under_rules_still_so_nobody_but_an_owner_removes_it_then(cast: Cast, ben: Client) -> None:
    rule(cast, cast.anna, device=cast.kitchen)
    assert post(ben, "remove", added_again(cast, cast.kitchen, cast.ben))[0] == 403


def test_what_an_owner_changes_for_a_device_counts_for_what_was_said_with_it_before(
    cast: Cast, ben: Client
) -> None:
    first = cast.kitchen
    second = added_again(cast, first, cast.ben)
    third = added_again(cast, second, cast.ben)
    for named, heard in (([cast.anna], ["Anna"]), ([cast.ben], ["Ben"]), (None, ["Anna", "Ben"])):
        with scope(household=cast.anna.household):
            rules_save(membership=cast.anna, place=third, named={HEAR: named})
        assert [hearers(cast, device) for device in (first, second, third)] == [heard] * 3


@pytest.mark.parametrize("when", ["afterwards", "with adding it"])
def test_what_was_said_before_goes_with_the_device_into_a_room_with_rules(
    cast: Cast, ben: Client, when: str
) -> None:
    """Where it was not reset in between it is the same row, and goes along, too."""
    first = cast.kitchen
    with scope(household=cast.anna.household):
        den = room_get_or_create(household=cast.anna.household, name="Den")
    rule(cast, cast.anna, room=den)
    second = added_again(cast, first, cast.anna)
    assert hearers(cast, first) == ["Anna", "Ben"]
    if when == "afterwards":
        move(cast, second, den)
        found = [first, second]
    else:
        found = [first, second, added_again(cast, second, cast.anna, room=den)]
    assert [hearers(cast, device) for device in found] == [["Anna"]] * len(found)


def move(cast: Cast, device: Device, room: Room) -> None:
    with scope(household=cast.anna.household):
        device_update(
            membership=cast.anna,
            device=device,
            name="K",
            room=room,
            is_auto_answer=True,
            echo_removal=EchoRemoval.DEVICE,
        )


# --- a room that is removed ---------------------------------------------------------------------


def test_only_an_owner_removes_a_room_with_rules_and_the_page_says_so(
    cast: Cast, ben: Client, anna: Client
) -> None:
    room = cast.kitchen.room
    rule(cast, cast.anna, room=room)
    post(anna, "remove", cast.kitchen)
    words = "Kitchen has rules of its own, so only an owner can remove it."
    assert words in page(ben, "room", room)
    assert reverse("devices:room-remove", args=[room.public_id if room else 0]) not in page(ben, "room", room)
    status, refusal = post(ben, "room-remove", room)
    assert (status, words in refusal) == (403, True)
    assert hearers(cast, cast.kitchen) == ["Anna"]
    assert "Remove this room" in page(anna, "room", room)


def test_what_was_said_in_a_room_that_an_owner_removed_is_heard_by_the_same_people(
    cast: Cast, ben: Client, anna: Client
) -> None:
    room = cast.kitchen.room
    with scope(household=cast.anna.household):
        other, _ = device_make(cast.anna, "Oven", "Kitchen")
    rule(cast, cast.anna, room=room)
    rule(cast, cast.ben, device=other)
    for device in (cast.kitchen, other):
        post(anna, "remove", device)
    assert post(anna, "room-remove", room)[0] == 302
    assert (hearers(cast, cast.kitchen), hearers(cast, other)) == (["Anna"], ["Ben"])


def test_any_adult_removes_an_empty_room_without_rules(cast: Cast, ben: Client) -> None:
    post(ben, "remove", cast.kitchen)
    assert post(ben, "room-remove", cast.kitchen.room)[0] == 302
    assert hearers(cast, cast.kitchen) == ["Anna", "Ben"]


def test_the_record_says_who_renamed_or_removed_a_room(cast: Cast, anna: Client) -> None:
    room = cast.kitchen.room
    assert room
    url = reverse("devices:room", args=[room.public_id])
    for name in ("Galley", "Galley"):
        anna.post(url, {"name": name})
    post(anna, "remove", cast.kitchen)
    post(anna, "room-remove", room)
    with scope(household=cast.anna.household):
        found = [audit_sentence(entry) for entry in audit_list(cast.anna.household)]
    assert found[:3] == [
        "Anna removed the room Galley.",
        "Anna removed Kitchen speaker.",
        "Anna changed the name of the room Kitchen to Galley.",
    ]


def test_an_owner_settles_who_hears_what_was_said_with_a_device_that_left(cast: Cast, anna: Client) -> None:
    """Else a rule that names nobody any more would shut its recordings away for ever."""
    rule(cast, cast.ben, device=cast.kitchen)
    post(anna, "remove", cast.kitchen)
    assert hearers(cast, cast.kitchen) == ["Ben"]
    shown = page(anna, "past-rules", cast.kitchen)
    assert "Kitchen speaker was removed today." in shown
    assert shown.count("<fieldset") == 1  # nobody calls it any more
    url = reverse("devices:past-rules", args=[cast.kitchen.public_id])
    anna.post(url, {f"who_{HEAR}": "usual"})
    assert "Anna" in hearers(cast, cast.kitchen)
    anna.post(url, {f"who_{HEAR}": "only", f"members_{HEAR}": [str(cast.anna.public_id)]})
    assert hearers(cast, cast.kitchen) == ["Anna"]
    with scope(household=cast.anna.household):
        sentence = audit_sentence(audit_list(cast.anna.household)[0])
    assert "Kitchen speaker" in sentence


def test_the_page_of_a_device_that_left_is_for_owners_of_its_home(
    cast: Cast, anna: Client, ben: Client
) -> None:
    url = reverse("devices:past-rules", args=[cast.kitchen.public_id])
    assert anna.get(url).headers["Location"].endswith("#who-may")  # it is still here
    post(anna, "remove", cast.kitchen)
    for client in (ben, browser_of(cast.carla)):
        for answer in (client.get(url), client.post(url, {f"who_{HEAR}": "usual"})):
            assert answer.status_code in (403, 404)
    assert anna.get(url).status_code == 200


def test_a_device_that_was_added_again_speaks_for_the_one_before(cast: Cast, anna: Client) -> None:
    new = added_again(cast, cast.kitchen, cast.anna)
    answer = anna.get(reverse("devices:past-rules", args=[cast.kitchen.public_id]))
    assert answer.headers["Location"] == reverse("devices:detail", args=[new.public_id]) + "#who-may"
