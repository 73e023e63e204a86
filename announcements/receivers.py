"""Reactions, one line each."""

from typing import Any
from uuid import UUID

from django.dispatch import receiver

from announcements.events import announcement_sent
from announcements.models import Announcement
from announcements.selectors import announcement_list
from announcements.services import announcements_recheck
from announcements.tasks import announcement_speak_task
from announcements.welcome import device_welcome
from common.tasks import delay_on_commit
from devices.events import device_arrived
from devices.models import Device
from households.events import id_sought, rights_changed
from households.models import Household, Membership, User


@receiver(id_sought)
def on_id_sought(membership: Membership, public_id: UUID, **_: Any) -> bool:
    return announcement_list(membership).filter(public_id=public_id).exists()


@receiver(announcement_sent)
def on_announcement_sent(announcement: Announcement, **_: Any) -> None:
    delay_on_commit(announcement_speak_task, announcement.pk)


@receiver(rights_changed)
def on_rights_changed(household: Household, user: User | None, **_: Any) -> None:
    announcements_recheck(household=household, user=user)


@receiver(device_arrived)
def on_device_arrived(device: Device, **_: Any) -> None:
    device_welcome(device=device)
