"""An announcement from the text to the last device."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.test import Client

from announcements.clips import clip_make, clip_path, clip_request, clips_due
from announcements.models import Announcement, AnnouncementDelivery, ClipState, SpeechClip
from announcements.services import (
    SILENCE_AFTER_FETCH,
    announcement_send,
    announcements_unspoken,
    clip_link,
    deliveries_expire,
    delivery_progress,
)
from announcements.speech import BadText
from announcements.tasks import announcement_speak_task, announcements_sweep_task
from common.clock import now
from common.errors import Invalid, NotFound
from protocol.messages.announcements import DeliveryState
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("no_scope")]


@pytest.fixture
def delivery(cast: Cast) -> AnnouncementDelivery:
    """Spoken, and waiting for the kitchen speaker."""
    announcement = announcement_send(membership=cast.anna, text="Dinner is ready.", devices=[cast.kitchen])
    announcement_speak_task(announcement.pk)
    return AnnouncementDelivery.objects.select_related("announcement__clip__household", "device").get()


def state_of(delivery: AnnouncementDelivery) -> str:
    delivery.refresh_from_db()
    return delivery.state


@pytest.mark.parametrize("text", ["", "   \n ", "a" * 501, "a" * 100_000, "\x07", "🎉 👍🏽", "?! …"])
def test_a_text_that_cannot_be_spoken_is_refused_in_words_and_stores_nothing(cast: Cast, text: str) -> None:
    with pytest.raises(BadText) as refusal:
        announcement_send(membership=cast.anna, text=text, devices=[cast.kitchen])
    assert refusal.value.message
    assert Announcement.objects.count() == SpeechClip.objects.count() == 0


@pytest.mark.parametrize("text", ["🎂 Cake", "5", "½", "夕食", "عشاء"])
def test_one_letter_or_digit_among_signs_is_enough_to_be_spoken(cast: Cast, text: str) -> None:
    assert announcement_send(membership=cast.anna, text=text, devices=[cast.kitchen]).text == text


def test_an_announcement_to_nobody_is_refused(cast: Cast) -> None:
    with pytest.raises(Invalid, match="Choose a room, a device, or everywhere"):
        announcement_send(membership=cast.anna, text="Hello", devices=[])


def test_a_voice_that_is_not_there_is_refused(cast: Cast) -> None:
    with pytest.raises(Invalid, match="voice"):
        announcement_send(membership=cast.anna, text="Hello", devices=[cast.kitchen], voice_id="none")


def test_the_same_words_are_spoken_once(delivery: AnnouncementDelivery, cast: Cast) -> None:
    again = announcement_send(membership=cast.anna, text=" Dinner  is ready. ", devices=[cast.kitchen])
    assert again.clip == delivery.announcement.clip
    assert SpeechClip.objects.count() == 1


def test_each_step_is_kept_and_none_goes_back(delivery: AnnouncementDelivery, cast: Cast) -> None:
    steps = [DeliveryState.FETCHED, DeliveryState.PLAYED, DeliveryState.FETCHED, DeliveryState.FAILED]
    for step in steps:
        delivery_progress(device=cast.kitchen, public_id=delivery.public_id, state=step)
    assert state_of(delivery) == DeliveryState.PLAYED
    assert delivery.fetched_at
    assert delivery.played_at


def test_a_device_reports_on_its_own_deliveries_only(delivery: AnnouncementDelivery, cast: Cast) -> None:
    for public_id, device in ((delivery.public_id, cast.cellar), (uuid4(), cast.kitchen)):
        with pytest.raises(NotFound):
            delivery_progress(device=device, public_id=public_id, state=DeliveryState.PLAYED)
    assert state_of(delivery) == DeliveryState.QUEUED


def test_what_was_not_fetched_in_time_expires_and_says_so(delivery: AnnouncementDelivery) -> None:
    Announcement.objects.update(expires_at=now() - timedelta(seconds=1))
    assert deliveries_expire() == 1
    assert state_of(delivery) == DeliveryState.EXPIRED


def test_a_device_that_took_it_and_fell_silent_is_given_up_but_may_still_report(
    delivery: AnnouncementDelivery, cast: Cast
) -> None:
    delivery_progress(device=cast.kitchen, public_id=delivery.public_id, state=DeliveryState.FETCHED)
    Announcement.objects.update(expires_at=now() - SILENCE_AFTER_FETCH + timedelta(seconds=30))
    assert deliveries_expire() == 0
    Announcement.objects.update(expires_at=now() - SILENCE_AFTER_FETCH)
    assert deliveries_expire() == 1
    assert state_of(delivery) == DeliveryState.FAILED
    assert "never said" in delivery.reason
    delivery_progress(device=cast.kitchen, public_id=delivery.public_id, state=DeliveryState.PLAYED)
    assert state_of(delivery) == DeliveryState.PLAYED


def test_what_was_heard_counts_though_it_had_been_given_up(
    delivery: AnnouncementDelivery, cast: Cast
) -> None:
    Announcement.objects.update(expires_at=now() - timedelta(seconds=1))
    deliveries_expire()
    delivery_progress(device=cast.kitchen, public_id=delivery.public_id, state=DeliveryState.PLAYED)
    assert state_of(delivery) == DeliveryState.PLAYED


def test_a_signed_link_gives_the_clip_and_a_forged_or_foreign_one_nothing(
    delivery: AnnouncementDelivery, client: Client
) -> None:
    link = clip_link(delivery)
    answer = client.get(link)
    assert (answer.status_code, answer["Content-Type"]) == (200, "audio/wav")
    assert b"".join(answer.streaming_content)[:4] == b"RIFF"  # type: ignore[attr-defined]
    assert client.get(link[:-3] + "abc").status_code == 404
    other = link.replace(str(delivery.public_id), str(uuid4()))
    assert client.get(other).status_code == 404


def test_a_missing_voice_makes_it_wait_and_it_is_spoken_when_the_voice_is_there(
    cast: Cast, settings: LazySettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shipped, empty = settings.SPEECH_MODELS_SHIPPED_ROOT, tmp_path_factory.mktemp("no-models")
    settings.SPEECH_MODELS_SHIPPED_ROOT = empty
    announcement = announcement_send(membership=cast.anna, text="Bath time.", devices=[cast.kitchen])
    announcement_speak_task(announcement.pk)
    clip = SpeechClip.objects.get()
    assert clip.state == ClipState.WAITING
    assert clip.reason
    Announcement.objects.update(created_at=now() - timedelta(minutes=1))
    assert announcements_unspoken() == [announcement]
    settings.SPEECH_MODELS_SHIPPED_ROOT = shipped
    announcement_speak_task(announcement.pk)
    clip.refresh_from_db()
    assert (clip.state, clip.reason) == (ClipState.READY, "")


def test_a_clip_whose_file_was_lost_is_made_again(delivery: AnnouncementDelivery) -> None:
    clip = delivery.announcement.clip
    clip_path(clip).unlink()
    clip_make(clip=clip)
    assert clip_path(clip).exists()


def test_a_clip_that_the_broker_forgot_is_due_again(cast: Cast) -> None:
    clip = clip_request(household=cast.anna.household, text="Bath time.", voice_id=None)
    assert clips_due() == []
    SpeechClip.objects.update(updated_at=now() - timedelta(seconds=9))
    assert clips_due() == [clip.pk]
    clip_make(clip=clip)
    assert clips_due() == []


def test_the_sweep_expires_and_leaves_the_rest(delivery: AnnouncementDelivery) -> None:
    announcements_sweep_task()
    assert state_of(delivery) == DeliveryState.QUEUED
