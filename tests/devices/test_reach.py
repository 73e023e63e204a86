"""The address that a device of another maker is given."""

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from devices.foreign import foreign_device_create
from devices.models import Device
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

NOTES = ("in your network", "with --host 127.0.0.1", "in no network right now")


@pytest.fixture
def front_door(cast: Cast, monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> Device:
    """The hub's computer is 192.168.1.10."""
    monkeypatch.setattr("common.links.lan_address", lambda: "192.168.1.10")
    settings.ALLOWED_HOSTS = ["*"]
    with scope(household=cast.anna.household):
        return foreign_device_create(membership=cast.anna, name="Front door", room=None)


def said(client: Client, cast: Cast, device: Device, host: str) -> tuple[str, list[str]]:
    """The address on the device's page, opened at `host`, and what is said about it."""
    client.force_login(cast.anna.user)
    answer = client.get(reverse("devices:detail", args=[device.public_id]), headers={"host": host})
    page = answer.content.decode()
    return page.partition('id="whip-url">')[2].partition("<")[0], [words for words in NOTES if words in page]


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_a_page_on_the_hub_s_own_computer_gives_the_address_in_the_network(
    client: Client, cast: Cast, front_door: Device, host: str
) -> None:
    address = "http://192.168.1.10:8000/api/v1/whip"
    assert said(client, cast, front_door, host) == (address, ["in your network"])


def test_an_address_that_others_can_reach_is_given_as_it_is(
    client: Client, cast: Cast, front_door: Device
) -> None:
    assert said(client, cast, front_door, "hub.local:8000") == ("http://hub.local:8000/api/v1/whip", [])


def test_a_hub_with_a_name_of_its_own_gives_that(
    client: Client, cast: Cast, front_door: Device, settings: LazySettings
) -> None:
    settings.HUB_URL, settings.IS_HUB_URL_SET = "https://hub.example.org", True
    address = "https://hub.example.org/api/v1/whip"
    assert said(client, cast, front_door, "localhost:8000") == (address, [])


def test_a_hub_that_lets_nobody_in_says_so(
    client: Client, cast: Cast, front_door: Device, settings: LazySettings
) -> None:
    settings.IS_LOCAL_ONLY = True
    address = "http://localhost:8000/api/v1/whip"
    assert said(client, cast, front_door, "localhost:8000") == (address, ["with --host 127.0.0.1"])


def test_a_hub_without_a_network_says_so(
    client: Client, cast: Cast, front_door: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.links.lan_address", lambda: None)
    address = "http://localhost:8000/api/v1/whip"
    assert said(client, cast, front_door, "localhost:8000") == (address, ["in no network right now"])
