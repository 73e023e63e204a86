"""Home, the pages of a device, and the way to a new one."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django_scopes import scope

from announcements.forms import AnnounceForm
from announcements.services import announcement_send
from calls.models import Call
from common.clock import now
from common.errors import Invalid, NotSignedIn
from devices.foreign import device_token_open
from devices.models import Device, DeviceAuthorization, DeviceKind, DevicePresence, DeviceToken, Room
from protocol.messages.calls import CallState
from protocol.words import fingerprint_words
from tests.plugin_cast import Cast, csr_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def anna(client: Client, cast: Cast) -> Client:
    client.force_login(cast.anna.user)
    return client


@pytest.fixture
def secret(cast: Cast) -> str:
    """A device waits to be claimed; this is what its QR code says."""
    from devices.claiming.authorization import authorization_start
    from protocol.enrollment import AuthorizationRequest

    request = AuthorizationRequest(csr_pem=csr_make(), model="Attic box", serial="SN-9")
    codes = authorization_start(request=request, base_url="https://hub")
    match = re.search(r"#s=([^&]+)&f=", codes.verification_uri_complete)
    assert match
    return match[1]


def test_home_shows_the_own_devices_and_no_others(anna: Client, cast: Cast) -> None:
    page = anna.get("/").content.decode()
    assert cast.kitchen.name in page
    assert cast.cellar.name not in page


def test_a_stranger_is_sent_to_the_sign_in_page(client: Client, cast: Cast) -> None:
    for name, args in (("home", []), ("add", []), ("detail", [cast.kitchen.public_id])):
        response = client.get(reverse(f"devices:{name}", args=args))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))


def test_only_the_pages_that_scan_may_run_web_assembly(anna: Client) -> None:
    assert "wasm-unsafe-eval" in anna.get(reverse("devices:add"))["Content-Security-Policy"]
    assert "wasm-unsafe-eval" not in anna.get("/")["Content-Security-Policy"]


def test_a_code_shows_the_device_and_its_key(anna: Client, secret: str) -> None:
    response = anna.post(reverse("devices:lookup"), {"secret": secret})
    fingerprint = DeviceAuthorization.objects.latest("pk").fingerprint_sha256
    page = response.content.decode()
    assert response.status_code == 200
    assert "Attic box" in page
    assert "SN-9" in page
    assert all(f"<li>{word}</li>" in page for word in fingerprint_words(fingerprint))
    assert fingerprint[:4] in page
    assert fingerprint[-4:] in page


def test_a_device_of_the_house_shows_the_words_of_its_key_and_a_foreign_one_has_none(
    anna: Client, cast: Cast
) -> None:
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    words = fingerprint_words(cast.kitchen.fingerprint_sha256)
    assert all(f"<li>{word}</li>" in anna.get(url).content.decode() for word in words)
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(
            kind=DeviceKind.FOREIGN, fingerprint_sha256="", public_key_pem=""
        )
    assert "Its four words" not in anna.get(url).content.decode()


@pytest.mark.parametrize(
    ("codes", "status", "words"),
    [
        ({}, 400, "Type the code"),
        ({"user_code": "12345"}, 400, "no vowels or digits"),
        ({"user_code": "BCDFG-HJKLM"}, 404, "No device waits with this code"),
        ({"secret": "x" * 199}, 404, "No device waits with this code"),
    ],
)
def test_a_wrong_code_is_said_on_the_page(
    anna: Client, codes: dict[str, str], status: int, words: str
) -> None:
    response = anna.post(reverse("devices:lookup"), codes)
    assert response.status_code == status
    assert words in response.content.decode()


def test_a_fingerprint_of_another_key_is_a_warning(anna: Client, secret: str) -> None:
    response = anna.post(reverse("devices:lookup"), {"secret": secret, "fingerprint": "0" * 64})
    assert response.status_code == 400
    assert "not the key of the device" in response.content.decode()


def test_confirming_makes_the_device_and_its_new_room(anna: Client, secret: str, cast: Cast) -> None:
    fields = {"secret": secret, "name": "Attic", "room_name": "+", "other_room": "Under the roof"}
    response = anna.post(reverse("devices:confirm"), fields)
    with scope(household=cast.anna.household):
        device = Device.objects.select_related("room").get(name="Attic")
    assert device.room
    assert device.room.name == "Under the roof"
    assert not device.is_auto_answer
    assert response["Location"] == reverse("devices:joining", args=[device.public_id])
    again = anna.post(reverse("devices:confirm"), fields)
    assert again.status_code == 409
    assert "You added this device a moment ago, as Attic." in again.content.decode()
    own = anna.post(reverse("devices:lookup"), {"secret": secret}).content.decode()
    assert reverse("devices:detail", args=[device.public_id]) in own


def test_a_used_code_leads_nobody_to_the_device_of_another_home(
    anna: Client, secret: str, cast: Cast
) -> None:
    anna.post(reverse("devices:confirm"), {"secret": secret, "name": "Attic", "room_name": ""})
    with scope(household=cast.anna.household):
        device = Device.objects.get(name="Attic")
    anna.force_login(cast.carla.user)
    page = anna.post(reverse("devices:lookup"), {"secret": secret})
    assert page.status_code == 409
    assert str(device.public_id) not in page.content.decode()


@pytest.mark.parametrize("other_room", ["", "   "])
def test_another_room_needs_a_name(anna: Client, secret: str, cast: Cast, other_room: str) -> None:
    fields = {"name": "Attic", "room_name": "+", "other_room": other_room}
    claim = anna.post(reverse("devices:confirm"), fields | {"secret": secret})
    change = anna.post(
        reverse("devices:detail", args=[cast.kitchen.public_id]), fields | {"echo_removal": "device"}
    )
    for response in (claim, change):
        assert response.status_code == 400
        assert "Give the room a name." in response.content.decode()
    with scope(household=cast.anna.household):
        assert Device.objects.get().room


def test_home_shows_who_is_in_a_call(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True)
        call = Call.objects.create(household=cast.anna.household, device=cast.kitchen)
    assert "In a call" in anna.get("/").content.decode()
    with scope(household=cast.anna.household):
        Call.objects.filter(pk=call.pk).update(state=CallState.ENDED)
    assert "In a call" not in anna.get("/").content.decode()


def test_a_missing_name_keeps_the_form(anna: Client, secret: str, cast: Cast) -> None:
    response = anna.post(reverse("devices:confirm"), {"secret": secret, "name": " ", "room_name": "Kitchen"})
    assert response.status_code == 400
    assert "Give the device a name" in response.content.decode()
    with scope(household=cast.anna.household):
        assert Device.objects.count() == 1


@pytest.mark.parametrize("field", ["name", "room_name", "other_room"])
def test_a_name_that_is_too_long_keeps_the_form(anna: Client, secret: str, cast: Cast, field: str) -> None:
    fields = {"secret": secret, "name": "Attic", "room_name": "+", "other_room": "Attic"} | {field: "x" * 81}
    response = anna.post(reverse("devices:confirm"), fields)
    assert response.status_code == 400
    assert "At most 80 characters" in response.content.decode()
    with scope(household=cast.anna.household):
        assert Device.objects.count() == 1


def test_a_secret_that_is_too_long_does_not_hide_the_code(anna: Client) -> None:
    response = anna.post(reverse("devices:lookup"), {"secret": "x" * 201, "user_code": "BCDFGHJKLM"})
    assert response.status_code == 404


def test_the_steps_stop_asking_once_the_device_is_online(anna: Client, cast: Cast) -> None:
    url = reverse("devices:joining", args=[cast.kitchen.public_id])
    assert "hx-trigger" in anna.get(url, headers={"HX-Request": "true"}).content.decode()
    with scope(household=cast.anna.household):
        cast.kitchen.presence.is_online = True
        cast.kitchen.presence.save()
    steps = anna.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in steps
    assert "Call it" in steps


def test_a_device_gets_another_name_and_room(anna: Client, cast: Cast) -> None:
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    fields = {"name": "Cookery", "room_name": "Kitchen", "echo_removal": "device"}
    assert anna.post(url, fields).status_code == 302
    with scope(household=cast.anna.household):
        cast.kitchen.refresh_from_db()
        assert cast.kitchen.name == "Cookery"
        assert Room.objects.count() == 1


def test_a_removed_device_is_gone(anna: Client, cast: Cast) -> None:
    anna.post(reverse("devices:remove", args=[cast.kitchen.public_id]))
    assert anna.get(reverse("devices:detail", args=[cast.kitchen.public_id])).status_code == 404


def test_a_foreign_device_and_no_device_look_alike(anna: Client, cast: Cast) -> None:
    pages = []
    for public_id in (cast.cellar.public_id, "00000000-0000-4000-8000-000000000000"):
        for name in ("detail", "joining", "call"):
            response = anna.get(reverse(f"devices:{name}", args=[public_id]))
            assert response.status_code == 404
            pages.append("There is no such device." in response.content.decode())
        assert anna.post(reverse("devices:remove", args=[public_id])).status_code == 404
    assert all(pages)


def test_a_child_sees_and_calls_but_does_not_manage(client: Client, cast: Cast) -> None:
    client.force_login(cast.ben.user)
    assert client.get(reverse("devices:call", args=[cast.kitchen.public_id])).status_code == 200
    assert client.get(reverse("devices:add")).status_code == 403
    assert client.post(reverse("devices:remove", args=[cast.kitchen.public_id])).status_code == 403
    page = client.get(reverse("devices:detail", args=[cast.kitchen.public_id])).content.decode()
    assert "Remove this device" not in page


def test_each_button_says_what_it_saves(anna: Client, cast: Cast) -> None:
    assert cast.kitchen.room
    for url, words in (
        (reverse("devices:detail", args=[cast.kitchen.public_id]), "Save name, room and settings"),
        (reverse("devices:room", args=[cast.kitchen.room.public_id]), "Save the name"),
    ):
        page = anna.get(url).content.decode()
        assert [page.count(f"<span>{one}</span>") for one in (words, "Save who may do what", "Save")] == [
            1,
            1,
            0,
        ]


def test_the_page_of_a_device_says_in_plain_words_how_it_is_known(anna: Client, cast: Cast) -> None:
    page = " ".join(
        anna.get(reverse("devices:detail", args=[cast.kitchen.public_id])).content.decode().split()
    )
    assert "Proven by a certificate until" in page
    assert "The device renews it by itself." in page


@pytest.mark.parametrize("chosen", ["hub", "off"])
def test_who_takes_out_echo_is_chosen_and_shown(anna: Client, cast: Cast, chosen: str) -> None:
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    checked = 'value="{}" checked'.format
    assert checked("device") in anna.get(url).content.decode()
    fields = {"name": "Kitchen", "room_name": "Kitchen", "echo_removal": chosen}
    assert anna.post(url, fields).status_code == 302
    assert checked(chosen) in anna.get(url).content.decode()
    assert anna.post(url, fields | {"echo_removal": "neighbour"}).status_code == 400


def test_only_who_manages_devices_chooses_about_echo(client: Client, cast: Cast) -> None:
    client.force_login(cast.ben.user)
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    assert client.post(url, {"name": "Kitchen", "room_name": "", "echo_removal": "off"}).status_code == 403
    assert 'name="echo_removal"' not in client.get(url).content.decode()


def test_the_page_says_how_much_echo_was_removed(anna: Client, cast: Cast) -> None:
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(echo_return_loss_enhancement=31.4)
    page = anna.get(url).content.decode()
    assert "31 dB in the last call in which there was an echo" in page
    assert "Nothing to measure" not in page


def test_without_an_echo_the_page_says_why_there_is_no_number(anna: Client, cast: Cast) -> None:
    url = reverse("devices:detail", args=[cast.kitchen.public_id])
    page = anna.get(url).content.decode()
    assert "Nothing to measure so far" in page
    assert "nor does the demo speaker" in page
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(echo_removal="off")
    page = anna.get(url).content.decode()
    assert "Taking echo out is switched off for this device." in page
    assert "Nothing to measure" not in page


def test_a_device_of_another_maker_that_removes_echo_itself_tells_no_number(
    anna: Client, front_door: Device
) -> None:
    page = anna.get(reverse("devices:detail", args=[front_door.public_id])).content.decode()
    assert "The device takes it out by itself and does not tell how much." in page


def test_a_device_that_was_there_a_moment_ago_was_seen_just_now(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(last_seen_at=now())
    for url in ("/", reverse("devices:detail", args=[cast.kitchen.public_id])):
        page = strip_tags(anna.get(url).content.decode())
        assert "Offline, seen just now" in page
        assert "minutes ago" not in page


# Devices of other makers


@pytest.fixture
def front_door(anna: Client, cast: Cast) -> Device:
    answer = anna.post(reverse("devices:add-foreign"), {"name": "Front door", "room_name": "Hall"})
    with scope(household=cast.anna.household):
        device = Device.objects.select_related("room").get(name="Front door")
    assert answer["Location"] == reverse("devices:joining", args=[device.public_id])
    return device


def test_a_device_of_another_maker_is_added_by_name_and_room(front_door: Device) -> None:
    assert front_door.is_foreign
    assert front_door.is_auto_answer  # it cannot ring
    assert str(front_door.room) == "Hall"
    assert (front_door.fingerprint_sha256, front_door.public_key_pem) == ("", "")


def test_the_name_that_it_is_offered_is_free_in_this_home(anna: Client, cast: Cast) -> None:
    for name in ("Intercom", "Intercom 2", "Intercom 3"):
        page = anna.get(reverse("devices:add-foreign"))
        assert page.context["form"]["name"].value() == name
        assert f'value="{name}"' in page.content.decode()
        anna.post(reverse("devices:add-foreign"), {"name": name.lower(), "room_name": ""})
    anna.force_login(cast.carla.user)
    assert anna.get(reverse("devices:add-foreign")).context["form"]["name"].value() == "Intercom"


def test_it_needs_a_name(anna: Client, cast: Cast) -> None:
    answer = anna.post(reverse("devices:add-foreign"), {"name": " ", "room_name": ""})
    assert answer.status_code == 400
    assert "Give the device a name." in answer.content.decode()


def test_its_token_is_shown_once_and_kept_as_a_hash(anna: Client, front_door: Device) -> None:
    answer = anna.post(
        reverse("devices:token", args=[front_door.public_id]), headers={"HX-Request": "true"}, follow=True
    )
    token = re.search(r"hld_[\w-]+", answer.content.decode())
    assert token
    assert answer["Cache-Control"] == "no-store"
    row = DeviceToken.objects.get(device=front_door)
    assert token[0] not in row.token_hash
    assert device_token_open(token[0]).device == front_door
    page = anna.get(reverse("devices:detail", args=[front_door.public_id])).content.decode()
    assert token[0] not in page
    assert "/api/v1/whip" in page
    for wrong in ("", token[0][:-1], row.token_hash, f"{token[0]} "):
        with pytest.raises(NotSignedIn):
            device_token_open(wrong)


def test_a_device_with_a_key_gets_no_token(anna: Client, cast: Cast) -> None:
    assert anna.post(reverse("devices:token", args=[cast.kitchen.public_id])).status_code == 409
    assert not DeviceToken.objects.exists()


def test_its_page_shows_what_it_has_and_keeps_that_it_answers_by_itself(
    anna: Client, front_door: Device
) -> None:
    url = reverse("devices:detail", args=[front_door.public_id])
    page = anna.get(url).content.decode()
    assert "It answers every call at once." in page
    assert "May answer calls by itself" not in page
    assert "Announce" not in page.split("<main")[1]
    anna.post(url, {"name": "Back door", "room_name": "", "echo_removal": "hub"})
    with scope(household=front_door.household):
        front_door.refresh_from_db()
    assert (front_door.name, front_door.is_auto_answer, front_door.room) == ("Back door", True, None)


def test_no_announcement_is_sent_to_it(front_door: Device, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        form = AnnounceForm({"everywhere": "on"}, membership=cast.anna)
        assert form.is_valid()
        assert form.chosen_devices() == [cast.kitchen]
        with pytest.raises(Invalid, match="Front door is of another maker"):
            announcement_send(membership=cast.anna, text="Dinner.", devices=[cast.kitchen, front_door])


def test_many_of_them_have_no_key_and_that_is_no_clash(anna: Client, front_door: Device, cast: Cast) -> None:
    anna.post(reverse("devices:add-foreign"), {"name": "Pram", "room_name": ""})
    anna.post(reverse("devices:remove", args=[front_door.public_id]))
    with scope(household=cast.anna.household):
        found = Device.objects.filter(kind=DeviceKind.FOREIGN).order_by("name")
        assert [(device.name, bool(device.revoked_at)) for device in found] == [
            ("Front door", True),
            ("Pram", False),
        ]
