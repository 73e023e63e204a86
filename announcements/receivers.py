"""Reactions, one line each."""

from typing import Any

from django.dispatch import receiver

from announcements.events import announcement_sent
from announcements.models import Announcement
from announcements.tasks import announcement_speak_task
from common.tasks import delay_on_commit


@receiver(announcement_sent)
def on_announcement_sent(announcement: Announcement, **_: Any) -> None:
    delay_on_commit(announcement_speak_task, announcement.pk)
