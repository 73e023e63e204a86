"""The composer, the preview, and what became of an announcement."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from announcements.models import Announcement, AnnouncementDelivery, ClipState, SpeechClip
from announcements.selectors import PHRASES, announcement_is_settled, phrase_list
from protocol.messages.announcements import DeliveryState
from protocol.messages.sound import MAX_SPEECH_CHARS
from tests.plugin_cast import Cast, device_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def anna(client: Client, cast: Cast) -> Client:
    client.force_login(cast.anna.user)
    return client


def _devices_of_the_last(cast: Cast) -> list[str]:
    with scope(household=cast.anna.household):
        rows = AnnouncementDelivery.objects.filter(announcement=Announcement.objects.latest("pk"))
        return sorted(rows.values_list("device__name", flat=True))


def test_rooms_devices_and_everywhere_choose_each_device_once(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device_make(cast.anna, "Attic speaker", "Attic")
        device_make(cast.anna, "Oven", "Kitchen")
    url = reverse("announcements:send")
    kitchen = {"rooms": [cast.kitchen.room.public_id] if cast.kitchen.room else []}
    anna.post(url, {"text": "Soup.", **kitchen, "devices": [cast.kitchen.public_id]})
    assert _devices_of_the_last(cast) == ["Kitchen speaker", "Oven"]
    response = anna.post(url, {"text": "Soup!", "everywhere": "1"})
    assert _devices_of_the_last(cast) == ["Attic speaker", "Kitchen speaker", "Oven"]
    page = anna.get(response["Location"]).content.decode()
    assert page.count("Queued") == 3
    assert "hx-trigger" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Please write what should be said."),
        ("   \n ", "Please write what should be said."),
        ("x" * (MAX_SPEECH_CHARS + 1), "This text is too long: 501 characters"),
        ("x" * 100_000, "This text is too long: 100000 characters"),
        ("🎉 👍🏽 🎂", "There is nothing in this text that can be said aloud."),
        ("?! … ☎", "There is nothing in this text that can be said aloud."),
    ],
)
def test_a_text_that_cannot_be_said_is_refused_and_kept(
    anna: Client, cast: Cast, text: str, words: str
) -> None:
    response = anna.post(reverse("announcements:send"), {"text": text, "everywhere": "1"})
    page = response.content.decode()
    assert response.status_code == 400
    assert words in page
    assert text.strip() in page
    preview = anna.post(reverse("announcements:preview"), {"text": text})
    assert preview.status_code == 422
    assert words in preview.content.decode()
    with scope(household=cast.anna.household):
        assert not Announcement.objects.exists()


def test_a_missing_text_is_said_before_a_missing_device(anna: Client) -> None:
    page = anna.post(reverse("announcements:send"), {"text": " "}).content.decode()
    assert "Please write what should be said." in page


def test_an_offline_device_says_it_when_it_is_back(anna: Client, cast: Cast) -> None:
    url = anna.post(reverse("announcements:send"), {"text": "Soup.", "everywhere": "1"})["Location"]
    words = "Offline. It is said if the device is back before"
    assert words in anna.get(url).content.decode()
    with scope(household=cast.anna.household):
        cast.kitchen.presence.is_online = True
        cast.kitchen.presence.save()
    assert words not in anna.get(url).content.decode()


def test_the_player_is_swapped_only_until_it_is_there(anna: Client, cast: Cast) -> None:
    url = anna.post(reverse("announcements:send"), {"text": "Soup.", "everywhere": "1"})["Location"]
    htmx = {"HX-Request": "true", "HX-Target": "clip-player"}
    waiting = anna.get(url, headers=htmx).content.decode()
    assert "hx-trigger" in waiting
    assert "<audio" not in waiting
    with scope(household=cast.anna.household):
        SpeechClip.objects.update(state=ClipState.READY)
    ready = anna.get(url, headers=htmx).content.decode()
    assert "hx-trigger" not in ready
    assert "<audio" in ready
    assert "<audio" not in anna.get(url, headers={"HX-Request": "true"}).content.decode()


def test_nobody_and_foreign_devices_are_refused(anna: Client, cast: Cast) -> None:
    nobody = anna.post(reverse("announcements:send"), {"text": "Soup."})
    assert "Choose a room, a device, or everywhere." in nobody.content.decode()
    foreign = anna.post(reverse("announcements:send"), {"text": "Soup.", "devices": [cast.cellar.public_id]})
    assert foreign.status_code == 400
    assert "no longer there" in foreign.content.decode()


def test_a_preview_is_heard_by_the_own_household_only(anna: Client, cast: Cast) -> None:
    from announcements.clips import clip_make

    assert "hx-trigger" in anna.post(reverse("announcements:preview"), {"text": "Soup."}).content.decode()
    with scope(household=cast.anna.household):
        clip = SpeechClip.objects.select_related("household").get()
        sound = reverse("announcements:clip-audio", args=[clip.public_id])
        assert anna.get(sound).status_code == 404
        clip_make(clip=clip)
    assert sound in anna.get(reverse("announcements:clip", args=[clip.public_id])).content.decode()
    assert anna.get(sound).getvalue().startswith(b"RIFF")
    anna.force_login(cast.carla.user)
    assert anna.get(sound).status_code == 404


def test_a_settled_announcement_asks_no_more(anna: Client, cast: Cast) -> None:
    response = anna.post(reverse("announcements:send"), {"text": "Soup.", "everywhere": "1"})
    with scope(household=cast.anna.household):
        AnnouncementDelivery.objects.update(state=DeliveryState.EXPIRED)
        assert announcement_is_settled(Announcement.objects.get())
    part = anna.get(response["Location"], headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "hx-trigger" not in part
    assert "Expired" in part


def test_phrases_are_what_was_said_last_each_once(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        assert phrase_list(cast.anna) == list(PHRASES)
    for text in ("Soup.", "Bread.", "Soup.", "long " * 20):
        anna.post(reverse("announcements:send"), {"text": text, "everywhere": "1"})
    with scope(household=cast.anna.household):
        assert phrase_list(cast.anna) == ["Soup.", "Bread."]


def test_a_foreign_announcement_is_not_shown(anna: Client, cast: Cast) -> None:
    response = anna.post(reverse("announcements:send"), {"text": "Secret soup.", "everywhere": "1"})
    anna.force_login(cast.carla.user)
    assert anna.get(response["Location"]).status_code == 404
    assert "Secret soup" not in anna.get(reverse("announcements:compose")).content.decode()
