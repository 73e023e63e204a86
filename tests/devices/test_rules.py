"""Who may do what: the page on which an owner settles it, and rooms."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from common.errors import NotFound
from devices.models import AccessRule, Device, Room
from devices.services import room_get_or_create
from devices.sharing.rules import choices_of, rules_moved_words, rules_save
from households.models import Membership
from households.people.members import member_remove
from households.record.audit import AuditKind, audit_list, audit_sentence
from households.roles import DEVICE_RIGHTS, Permission, Role
from tests.devices.having import rights_of
from tests.plugin_cast import Cast, browser_of, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
P = Permission
LEFT_OUT = "You are not in this list."


def choices(**only: list[Membership]) -> dict[str, object]:
    """What the form sends: as usual, but for the rights that are named."""
    sent: dict[str, object] = {f"who_{right}": "usual" for right in DEVICE_RIGHTS}
    for right, members in only.items():
        sent |= {f"who_{right}": "only", f"members_{right}": [member.public_id for member in members]}
    return sent


def of_device(cast: Cast) -> str:
    return reverse("devices:device-rules", args=[cast.kitchen.public_id])


def newest(cast: Cast) -> str:
    """What the record says last."""
    with scope(household=cast.anna.household):
        return audit_sentence(audit_list(cast.anna.household)[0])


def page_of(client: Client, cast: Cast) -> str:
    return client.get(reverse("devices:detail", args=[cast.kitchen.public_id])).content.decode()


def test_an_owner_says_who_may_call_and_is_told_that_they_left_themselves_out(cast: Cast) -> None:
    anna = browser_of(cast.anna)
    assert "As usual (owners, adults and children)" in page_of(anna, cast)
    assert anna.post(of_device(cast), choices(call=[cast.ben])).status_code == 302
    assert LEFT_OUT in page_of(anna, cast)
    with scope(household=cast.anna.household):
        assert P.CALL not in rights_of(cast.anna, cast.kitchen)
        assert P.CALL in rights_of(cast.ben, cast.kitchen)
    assert newest(cast) == "Anna changed who may call Kitchen speaker: now only Ben."
    anna.post(of_device(cast), choices())
    assert LEFT_OUT not in page_of(anna, cast)
    usual = "now as usual (owners, adults and children)"
    assert newest(cast) == f"Anna changed who may call Kitchen speaker: {usual}."
    with scope(household=cast.anna.household):
        assert not AccessRule.objects.exists()
        assert P.CALL in rights_of(cast.anna, cast.kitchen)


def test_nothing_is_recorded_where_nothing_changed(cast: Cast) -> None:
    browser_of(cast.anna).post(of_device(cast), choices())
    with scope(household=cast.anna.household):
        kinds = set(audit_list(cast.anna.household).values_list("kind", flat=True))
    assert AuditKind.RULE_CHANGED not in kinds


def test_a_rule_names_at_least_one_person_of_the_household_who_is_no_guest(cast: Cast) -> None:
    anna = browser_of(cast.anna)
    page = anna.post(of_device(cast), choices(call=[]), follow=True).content.decode()
    assert "Choose at least one person who may call it" in page
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
    for stranger in (cast.carla, cast.ben):
        anna.post(of_device(cast), choices(call=[stranger]))
    with scope(household=cast.anna.household):
        assert not AccessRule.objects.exists()


def test_a_rule_names_nobody_who_was_removed_meanwhile(cast: Cast) -> None:
    open_page = Membership.objects.get(pk=cast.ben.pk)
    member_remove(member=cast.ben, by=cast.anna)
    with scope(household=cast.anna.household):
        with pytest.raises(NotFound):
            rules_save(membership=cast.anna, place=cast.kitchen, named={P.CALL: [open_page]})
        assert not AccessRule.objects.exists()


def test_an_adult_sets_no_rules_and_sees_no_form(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    ben = browser_of(cast.ben)
    assert "Who may …" not in page_of(ben, cast)
    assert ben.post(of_device(cast), choices(call=[cast.ben])).status_code == 403


def test_the_rules_of_a_room_count_for_what_stands_in_it(cast: Cast) -> None:
    anna, room = browser_of(cast.anna), cast.kitchen.room
    assert room
    url = reverse("devices:room", args=[room.public_id])
    assert url in anna.get("/").content.decode()
    anna.post(reverse("devices:room-rules", args=[room.public_id]), choices(announce=[cast.ben]))
    assert LEFT_OUT in anna.get(url).content.decode()
    assert "As in Kitchen (only Ben)" in page_of(anna, cast)
    with scope(household=cast.anna.household):
        assert P.ANNOUNCE not in rights_of(cast.anna, cast.kitchen)
    assert newest(cast) == "Anna changed who may announce on what stands in Kitchen: now only Ben."


def test_the_record_says_what_counts_where_a_rule_of_the_device_ends_or_the_device_is_moved(
    cast: Cast,
) -> None:
    anna, room = browser_of(cast.anna), cast.kitchen.room
    assert room
    anna.post(reverse("devices:room-rules", args=[room.public_id]), choices(announce=[cast.ben]))
    anna.post(of_device(cast), choices(announce=[cast.ben, cast.anna]))
    assert newest(cast).endswith("who may announce on Kitchen speaker: now only Anna and Ben.")
    anna.post(of_device(cast), choices())
    assert newest(cast).endswith("who may announce on Kitchen speaker: now as in Kitchen (only Ben).")
    for room_name, told in (("Attic", "as usual (owners, adults and children)"), ("Kitchen", "only Ben")):
        fields = {
            "name": "Kitchen speaker",
            "room_name": room_name,
            "echo_removal": "device",
            "is_auto_answer": "on",
        }
        anna.post(reverse("devices:detail", args=[cast.kitchen.public_id]), fields)
        assert newest(cast).endswith(f" to {room_name}. With that, who may announce on it: {told}.")


def test_nobody_but_an_owner_moves_a_device_out_of_a_room_with_rules(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    with scope(household=cast.anna.household):
        rule_make(P.CALL, cast.anna, room=cast.kitchen.room)
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    fields = {"name": "Kitchen speaker", "room_name": "", "echo_removal": "device"}
    refused = browser_of(cast.ben).post(url, fields)
    assert refused.status_code == 403
    assert "only an owner can move a device" in refused.content.decode()
    assert (
        browser_of(cast.ben).post(url, fields | {"room_name": "Kitchen", "name": "Oven"}).status_code == 302
    )
    assert browser_of(cast.anna).post(url, fields).status_code == 302
    with scope(household=cast.anna.household):
        assert Device.objects.get().room is None


def test_a_name_of_a_room_that_no_table_can_hold_is_refused_in_words(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    room = cast.kitchen.room
    assert room is not None
    answer = client.post(reverse("devices:room", args=[room.public_id]), {"name": "a\0b"})
    assert answer.status_code == 400
    assert "nobody can see" in answer.content.decode()


def test_a_room_gets_another_name_and_goes_when_it_is_empty(cast: Cast) -> None:
    anna, room = browser_of(cast.anna), cast.kitchen.room
    assert room
    url, remove = (reverse(f"devices:{name}", args=[room.public_id]) for name in ("room", "room-remove"))
    with scope(household=cast.anna.household):
        hall = room_get_or_create(household=cast.anna.household, name="Hall")
    assert anna.post(url, {"name": "hall"}).status_code == 409
    assert anna.post(url, {"name": " "}).status_code == 400
    assert anna.post(url, {"name": "Galley"}).status_code == 302
    assert "Galley" in anna.get("/").content.decode()
    assert anna.post(remove).status_code == 409
    assert anna.get(remove)["Location"] == url
    assert anna.post(reverse("devices:room-remove", args=[hall.public_id])).status_code == 302
    with scope(household=cast.anna.household):
        assert [room.name for room in Room.objects.all()] == ["Galley"]


def test_where_a_rule_lets_in_nobody_the_words_say_nobody(cast: Cast) -> None:
    old = cast.kitchen.room
    with scope(household=cast.anna.household):
        attic = Room.objects.create(household=cast.anna.household, name="Attic")
        rule_make(P.CALL, room=attic)
        cast.kitchen.room = attic
        cast.kitchen.save(update_fields=["room"])
        assert rules_moved_words(cast.kitchen, old) == "who may call it: nobody"
        [call, *_] = choices_of(cast.kitchen, cast.anna)
    assert call.usual == "As in Attic (nobody)"
