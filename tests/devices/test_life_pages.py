"""Pages about what becomes of a device."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from common.clock import now
from devices.models import Device, DevicePresence
from devices.services import device_unclaim
from households.record.audit import AuditKind, audit_list, audit_sentence
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def anna(client: Client, cast: Cast) -> Client:
    client.force_login(cast.anna.user)
    return client


def url_of(cast: Cast, name: str) -> str:
    return reverse(f"devices:{name}", args=[cast.kitchen.public_id])


def detail(client: Client, cast: Cast) -> str:
    return " ".join(client.get(url_of(cast, "detail")).content.decode().split())


def sentences(cast: Cast) -> list[str]:
    with scope(household=cast.anna.household):
        return [audit_sentence(entry) for entry in audit_list(cast.anna.household)]


def change(cast: Cast, **fields: object) -> None:
    with scopes_disabled():
        Device.objects.filter(pk=cast.kitchen.pk).update(**fields)


# --- another key -------------------------------------------------------------------------------


def test_a_new_key_is_asked_for_and_the_page_says_that_it_waits(anna: Client, cast: Cast) -> None:
    assert "It still has the key with which it was added." in detail(anna, cast)
    response = anna.post(url_of(cast, "key"))
    assert response["Location"] == url_of(cast, "detail")
    page = detail(anna, cast)
    assert "The device is offline and makes it when it is back." in page
    assert 'data-opens="key-dialog"' not in page
    assert sentences(cast)[0] == "Anna asked Kitchen speaker for a new key."


def test_a_device_that_is_online_makes_it_at_once_and_the_dialog_says_so(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True)
    assert "It takes some seconds." in detail(anna, cast)
    anna.post(url_of(cast, "key"))
    assert "makes it in some seconds" in detail(anna, cast)


def test_the_dialog_for_an_offline_device_says_that_a_stolen_one_should_be_removed(
    anna: Client, cast: Cast
) -> None:
    assert "if the device was lost or stolen, remove it instead" in detail(anna, cast)


def test_the_page_asks_itself_whether_it_has_happened_and_then_says_when(anna: Client, cast: Cast) -> None:
    change(cast, key_wanted_at=now())
    assert "every 2s" in anna.get(url_of(cast, "key"), headers=HTMX).content.decode()
    change(cast, key_wanted_at=None, claim_epoch=2, fingerprint_sha256="ab" * 32)
    with scope(household=cast.anna.household):
        cast.kitchen.certificates.update(revoked_at=now())
    part = anna.get(url_of(cast, "key"), headers=HTMX).content.decode()
    assert "It has had a new key since" in part
    assert "every 2s" not in part


@pytest.mark.parametrize("name", ["key", "remove"])
def test_whoever_opens_the_address_of_a_button_is_led_to_where_it_is(
    anna: Client, cast: Cast, name: str
) -> None:
    assert anna.get(url_of(cast, name))["Location"] == url_of(cast, "detail")


@pytest.mark.parametrize("name", ["key", "remove"])
def test_it_is_not_for_children_and_absent_for_strangers(client: Client, cast: Cast, name: str) -> None:
    client.force_login(cast.ben.user)
    assert client.post(url_of(cast, name)).status_code == 403
    assert 'data-opens="key-dialog"' not in detail(client, cast)
    client.force_login(cast.carla.user)
    assert client.post(url_of(cast, name)).status_code == 404
    with scopes_disabled():
        kitchen = Device.objects.get(pk=cast.kitchen.pk)
    assert (kitchen.key_wanted_at, kitchen.revoked_at) == (None, None)


# --- removing ----------------------------------------------------------------------------------


def test_a_removed_device_is_noted_with_whoever_removed_it(anna: Client, cast: Cast) -> None:
    anna.post(url_of(cast, "remove"))
    assert sentences(cast)[0] == "Anna removed Kitchen speaker."
    with scope(household=cast.anna.household):
        device_unclaim(device=cast.kitchen)
        kinds = [entry.kind for entry in audit_list(cast.anna.household)]
    assert kinds.count(AuditKind.UNCLAIMED) == 1


@pytest.mark.parametrize(
    ("is_online", "asks", "says"),
    [
        (True, "forgets this home now", "Its calls and recordings are still here."),
        (False, "locked out from now on", "It is locked out now, and forgets this home when it is back."),
    ],
)
def test_the_dialog_says_what_stays_and_what_happens_to_the_device(
    anna: Client, cast: Cast, *, is_online: bool, asks: str, says: str
) -> None:
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=is_online)
    page = detail(anna, cast)
    assert asks in page
    assert "recordings and announcements stay in the history" in page
    assert says in anna.post(url_of(cast, "remove"), follow=True).content.decode()
