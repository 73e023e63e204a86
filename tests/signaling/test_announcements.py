"""Announcements on the wire: to a device that is there, and to one that comes back."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scopes_disabled

from announcements.models import Announcement, AnnouncementDelivery
from announcements.services import announcement_send
from announcements.tasks import announcement_speak_task
from common.clock import now
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@sync_to_async
def announce(cast: Cast, text: str = "Dinner is ready.", *, expired: bool = False) -> AnnouncementDelivery:
    """Sent and spoken, as the page and the task do it."""
    with scopes_disabled():
        announcement = announcement_send(membership=cast.anna, text=text, devices=[cast.kitchen])
        if expired:
            Announcement.objects.filter(pk=announcement.pk).update(expires_at=now() - timedelta(seconds=1))
        announcement_speak_task(announcement.pk)
        return AnnouncementDelivery.objects.get(announcement=announcement)


async def test_a_device_that_is_there_gets_it_and_the_page_sees_each_step(cast: Cast) -> None:
    page = await browser(cast.anna)
    device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    delivery = await announce(cast)
    message = await device.hear("announce")
    assert (message["delivery_id"], message["text"]) == (str(delivery.public_id), "Dinner is ready.")
    assert len(message["clip_sha256"]) == 64
    assert message["clip_url"].startswith("/api/v1/clips/")
    for state in ("fetched", "played"):
        await device.say("announce_progress", delivery_id=message["delivery_id"], state=state)
        progress = await page.hear("announce_progress")
        assert (progress["state"], progress["device_id"]) == (state, str(cast.kitchen.public_id))
    await page.close()
    await device.close()


async def test_a_device_that_was_away_gets_it_when_it_returns_and_only_until_it_has_played_it(
    cast: Cast,
) -> None:
    key = cast.keys[cast.kitchen.pk]
    await announce(cast)
    for _ in range(2):  # not answered the first time, so it comes again
        device = await device_socket(cast.kitchen, key)
        message = await device.hear("announce")
        await device.close()
    device = await device_socket(cast.kitchen, key)
    await device.hear("announce")
    await device.say("announce_progress", delivery_id=message["delivery_id"], state="played", id="p")
    await device.say("ping", id="after")
    await device.hear("pong")
    await device.close()
    device = await device_socket(cast.kitchen, key)
    await device.say("ping", id="nothing more")
    assert (await device.hear())["type"] == "pong"
    await device.close()


async def test_what_has_expired_is_not_handed_out(cast: Cast) -> None:
    await announce(cast, expired=True)
    device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await device.say("ping")
    assert (await device.hear())["type"] == "pong"
    await device.close()


async def test_a_report_on_somebody_elses_delivery_is_refused(cast: Cast) -> None:
    delivery = await announce(cast)
    foreign = await device_socket(cast.cellar, cast.keys[cast.cellar.pk])
    await foreign.say("announce_progress", delivery_id=str(delivery.public_id), state="played", id="x")
    error = await foreign.hear("error")
    assert (error["code"], error["reply_to"]) == ("not_found", "x")
    await foreign.close()
