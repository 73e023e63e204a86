"""An adult walks through the page of a device that is under an owner's rules: what is offered is true."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from devices.life.transfers import transfer_create
from devices.models import Device, DeviceKind, Room
from households.models import Membership
from households.roles import Permission, Role
from tests.plugin_cast import Cast, device_go_online, device_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
P = Permission
OWNER_CAN = "An owner of this home can allow it."
RINGS_YOU = "You may not listen into it: it does not answer you by itself, it rings."
HEARS_NOT = "You may not hear its recordings."


@pytest.fixture
def ben(cast: Cast) -> Client:
    """Who is an adult here."""
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    client = Client()
    client.force_login(cast.ben.user, "django.contrib.auth.backends.ModelBackend")
    return client


def rules(cast: Cast, *rights: Permission, **where: "Device | Room | None") -> None:
    """Anna and nobody else."""
    with scope(household=cast.anna.household):
        for right in rights:
            rule_make(right, cast.anna, **where or {"device": cast.kitchen})


def device_page(client: Client, cast: Cast, name: str = "detail") -> str:
    page = client.get(reverse(f"devices:{name}", args=[cast.kitchen.public_id])).content.decode()
    return " ".join(page.split("<body")[1].split())


@pytest.mark.parametrize(
    ("rights", "told"),
    [
        ([], []),
        ([P.DROP_IN], [RINGS_YOU]),
        ([P.RECORDINGS_HEAR], [HEARS_NOT]),
        ([P.DROP_IN, P.RECORDINGS_HEAR], [RINGS_YOU, HEARS_NOT]),
        ([P.CALL, P.DROP_IN], ["You may not call it."]),
        ([P.CALL, P.RECORDINGS_HEAR], [f"You may not call it. {HEARS_NOT}"]),
    ],
)
def test_below_the_name_stands_what_a_rule_keeps_and_who_can_allow_it(
    ben: Client, cast: Cast, rights: list[Permission], told: list[str]
) -> None:
    rules(cast, *rights)
    head = device_page(ben, cast).split("</header>")[0]
    assert [words for words in told if words not in head] == []
    assert head.count("You may not") == sum(words.count("You may not") for words in told)
    assert head.count(OWNER_CAN) == bool(told)


def test_an_owner_who_is_not_named_is_led_to_the_rule(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        rule_make(P.DROP_IN, cast.ben, device=cast.kitchen)
    client = Client()
    client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    head = device_page(client, cast).split("</header>")[0]
    assert RINGS_YOU in head
    assert "Change who may</a>" in head


def test_a_device_in_a_room_with_rules_stays_there(ben: Client, cast: Cast) -> None:
    assert "Another room" in device_page(ben, cast)
    rules(cast, P.RECORDINGS_HEAR, room=cast.kitchen.room)
    page = device_page(ben, cast)
    assert "Kitchen has rules of its own, so only an owner can move it to another room." in page
    assert "Another room" not in page
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    settings = {"name": "Radio", "room_name": "Kitchen", "echo_removal": "device"}
    assert ben.post(url, settings).status_code == 302
    with scopes_disabled():
        assert Device.objects.filter(pk=cast.kitchen.pk, name="Radio", room__name="Kitchen").exists()
    assert ben.post(url, settings | {"room_name": ""}).status_code == 403


def test_rooms_with_rules_are_no_choice_for_other_devices(ben: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        attic, _ = device_make(cast.anna, "Attic speaker", "Attic")
        device_make(cast.anna, "Hall speaker", "Hall")
    rules(cast, P.CALL, room=attic.room)
    page = device_page(ben, cast)
    assert 'name="room_name" value="Attic"' not in page
    assert 'name="room_name" value="Hall"' in page
    assert "Attic has rules of its own, so only an owner can move a device there." in page
    client = Client()
    client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    assert 'name="room_name" value="Attic"' in device_page(client, cast)


def test_the_switch_says_whom_the_device_answers(ben: Client, cast: Cast) -> None:
    few, all_of_them = (
        "When somebody calls who may listen into it, it",
        "When somebody of this home calls, it",
    )
    page = device_page(ben, cast)
    assert (few in page, all_of_them in page) == (False, True)
    rules(cast, P.DROP_IN, room=cast.kitchen.room)
    page = device_page(ben, cast)
    assert (few in page, all_of_them in page) == (True, False)


@pytest.mark.parametrize(
    ("kind", "rights", "told"),
    [
        (DeviceKind.AGENT, [P.CALL], ""),  # to announce on it may still be lent
        (DeviceKind.AGENT, [P.CALL, P.ANNOUNCE], "You may not call or announce on it yourself"),
        (DeviceKind.FOREIGN, [P.DROP_IN], "You may not listen into it yourself"),
    ],
)
def test_what_cannot_be_lent_is_not_offered_to_be_lent(
    ben: Client, cast: Cast, kind: DeviceKind, rights: list[Permission], told: str
) -> None:
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(kind=kind)
    rules(cast, *rights)
    lent = device_page(ben, cast).split('id="lent"')[1].split("</section>")[0]
    assert ("Lend it to somebody" in lent) is not bool(told)
    assert (f"{told}, so there is nothing of it that you could lend. {OWNER_CAN}" in lent) is bool(told)


def test_a_link_that_is_out_can_be_taken_back_and_no_other_one_is_offered(ben: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        transfer_create(membership=cast.anna, device=cast.kitchen)
    assert "Make another link" in device_page(ben, cast)
    rules(cast, P.CALL)
    page = device_page(ben, cast)
    assert "Take the link back" in page
    for words in ("Make another link", "give-dialog", "remove-dialog"):
        assert words not in page
    assert "There are rules for Kitchen speaker, so only an owner can remove it or give it away." in page


def test_beside_a_link_that_is_out_no_other_one_is_offered_to_whoever_cannot_make_it(
    ben: Client, cast: Cast
) -> None:
    with scope(household=cast.anna.household):
        transfer, _ = transfer_create(membership=cast.anna, device=cast.kitchen)
    url = reverse("devices:give-link", args=[cast.kitchen.public_id, transfer.public_id])
    assert "Make another" in ben.get(url).content.decode()
    rules(cast, P.CALL)
    page = ben.get(url).content.decode()
    assert "Take it back" in page
    assert "ake another" not in page


def test_after_it_was_added_again_nobody_is_led_to_a_call_that_is_refused(ben: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device_go_online(cast.kitchen)
    call = reverse("devices:call", args=[cast.kitchen.public_id])
    assert call in device_page(ben, cast, "joining")
    rules(cast, P.CALL)
    page = device_page(ben, cast, "joining")
    assert call not in page
    assert f"You may not call it. {OWNER_CAN}" in page
