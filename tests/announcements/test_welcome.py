"""A device says whose it is when it comes online for the first time after its claim."""

import pytest
from django.test import Client
from django.urls import reverse

from announcements.models import Announcement, AnnouncementDelivery, ClipState
from announcements.selectors import PHRASES, announcement_list, phrase_list
from announcements.tasks import announcement_speak_task
from announcements.welcome import SENTENCES, device_welcome
from devices.models import Device
from devices.services import device_unclaim
from households.models import Language
from tests.plugin_cast import Cast, device_go_online, device_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("no_scope")]


@pytest.fixture
def speaker(cast: Cast) -> Device:
    """The kitchen speaker, which can play announcements."""
    return _speaks(cast.kitchen)


def _speaks(device: Device) -> Device:
    device.capabilities = ["microphone", "speaker", "announcements"]
    device.save()
    return device


def test_it_is_said_once_when_the_device_comes_online_and_by_this_device_alone(
    speaker: Device, cast: Cast
) -> None:
    for channel in ("first", "second"):
        device_go_online(speaker, channel)
    announcement = Announcement.objects.get()
    assert announcement.text == "This speaker belongs to Lake House now."
    assert [delivery.device for delivery in announcement.deliveries.all()] == [speaker]
    announcement_speak_task(announcement.pk)
    announcement.clip.refresh_from_db()
    assert announcement.clip.state == ClipState.READY
    assert announcement.deliveries.get().pushed_at


def test_nobody_finds_it_among_what_was_sent(speaker: Device, cast: Cast, client: Client) -> None:
    device_go_online(speaker)
    welcome = Announcement.objects.get()
    assert list(announcement_list(cast.anna)) == []
    assert phrase_list(cast.anna) == list(PHRASES)
    client.force_login(cast.anna.user)
    assert "belongs to Lake House now" not in client.get(reverse("announcements:compose")).content.decode()
    assert client.get(reverse("announcements:detail", args=[welcome.public_id])).status_code == 404


def test_the_next_claim_says_it_again_in_the_words_of_its_home(speaker: Device, cast: Cast) -> None:
    device_go_online(speaker)
    device_unclaim(device=speaker)
    cast.carla.household.language = Language.DEUTSCH
    cast.carla.household.save()
    again, _ = device_make(cast.carla, "Hall speaker", "Hall")
    device_go_online(_speaks(again))
    texts = Announcement.objects.order_by("pk").values_list("text", flat=True)
    assert list(texts) == [
        "This speaker belongs to Lake House now.",
        "Dieser Lautsprecher gehört jetzt zu Mill.",
    ]


def test_a_device_that_plays_no_announcements_is_not_asked_to(cast: Cast) -> None:
    device_go_online(cast.kitchen)
    assert AnnouncementDelivery.objects.count() == 0


@pytest.mark.parametrize("name", ["Casa \x07", "\ue000"])
def test_a_name_that_no_voice_can_say_is_no_trouble(speaker: Device, name: str) -> None:
    speaker.household.name = name
    speaker.household.save()
    device_go_online(speaker)
    assert Announcement.objects.count() == 0
    assert speaker.presence.is_online


def test_every_language_of_a_home_has_its_sentence(speaker: Device) -> None:
    assert set(SENTENCES) == set(Language.values)
    for language in Language.values:
        speaker.household.language = language
        device_welcome(device=speaker)
    assert all("Lake House" in one.text for one in Announcement.objects.all())
    assert Announcement.objects.count() == len(Language.values)
