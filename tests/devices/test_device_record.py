"""What is done to a device stands in the record of its household."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from devices.models import Device
from households.record.audit import AuditKind, audit_list, audit_sentence
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def told(cast: Cast) -> list[str]:
    """Newest first; without the claims of the cast."""
    with scope(household=cast.anna.household):
        return [audit_sentence(entry) for entry in audit_list(cast.anna.household)][:-1]


def save(client: Client, device: Device, **fields: str) -> None:
    room = device.room.name if device.room else ""
    values = {
        "name": device.name,
        "room_name": room,
        "echo_removal": "device",
        "is_auto_answer": "on",
    } | fields
    assert client.post(reverse("devices:detail", args=[device.public_id]), values).status_code == 302


def test_adding_a_device_is_told(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        entry = audit_list(cast.anna.household).get()
    assert (entry.kind, audit_sentence(entry)) == (
        AuditKind.CLAIMED,
        "Anna added Kitchen speaker in Kitchen; it answers by itself.",
    )


def test_another_name_and_another_room_are_told_and_nothing_else_is(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    save(client, cast.kitchen)
    assert told(cast) == []
    save(client, cast.kitchen, name="Radio", room_name="Attic")
    assert told(cast) == [
        "Anna moved Radio from Kitchen to Attic.",
        "Anna changed the name of Kitchen speaker to Radio.",
    ]


def test_who_answers_calls_from_now_on_is_told(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    save(client, cast.kitchen, is_auto_answer="")
    save(client, cast.kitchen)
    assert told(cast) == [
        "Anna set Kitchen speaker to answer by itself.",
        "Anna set Kitchen speaker to answer only when somebody there picks up.",
    ]


def test_a_new_token_of_a_foreign_device_is_told_without_the_token(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    client.post(reverse("devices:add-foreign"), {"name": "Front door", "room_name": ""})
    with scope(household=cast.anna.household):
        device = Device.objects.get(name="Front door")
    token = reverse("devices:token", args=[device.public_id])
    page = client.post(token, headers={"HX-Request": "true"}, follow=True).content.decode()
    assert told(cast) == ["Anna made a new token for Front door.", "Anna added Front door."]
    with scope(household=cast.anna.household):
        details = str(list(audit_list(cast.anna.household).values_list("details", flat=True)))
    assert "hld_" in page
    assert "hld_" not in details
