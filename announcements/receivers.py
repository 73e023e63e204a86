"""Reactions, one line each."""

from typing import Any

from django.dispatch import receiver

from announcements.events import announcement_sent
from announcements.models import Announcement
from announcements.tasks import announcement_speak_task
from announcements.welcome import device_welcome
from common.tasks import delay_on_commit
from devices.events import device_arrived
from devices.models import Device


@receiver(announcement_sent)
def on_announcement_sent(announcement: Announcement, **_: Any) -> None:
    delay_on_commit(announcement_speak_task, announcement.pk)


@receiver(device_arrived)
def on_device_arrived(device: Device, **_: Any) -> None:
    device_welcome(device=device)
