"""Doors from Celery to the services."""

from uuid import UUID

from celery import shared_task

from announcements.clips import clip_make, clip_path, clips_due
from announcements.models import Announcement, AnnouncementDelivery, ClipState, SpeechClip
from announcements.rights import deliveries_lent_before
from announcements.services import (
    announcement_deliver,
    announcements_unspoken,
    deliveries_expire,
    deliveries_recheck,
    deliveries_retry,
    delivery_move,
)
from common.push import group_worker, push, push_channel
from common.tasks import delay_now, in_household_of, over_all_households
from protocol.errors import ErrorCode
from protocol.messages.announcements import DeliveryState
from protocol.messages.socket import Error
from protocol.worker import PlayClip


@shared_task
@in_household_of("announcements.Announcement")
def announcement_speak_task(announcement_pk: int) -> None:
    """Make the clip, then hand it out."""
    announcement = Announcement.objects.select_related("clip__household", "household").get(pk=announcement_pk)
    clip = clip_make(clip=announcement.clip)
    if clip.state == ClipState.READY:
        announcement_deliver(announcement=announcement)
    elif clip.state == ClipState.FAILED:
        rows = AnnouncementDelivery.objects.filter(announcement=announcement)
        for delivery in rows.select_related("announcement", "device", "household"):
            delivery_move(delivery, DeliveryState.FAILED, clip.reason)


@shared_task
@in_household_of("announcements.SpeechClip")
def clip_make_task(clip_pk: int) -> None:
    """For listening first."""
    clip_make(clip=SpeechClip.objects.select_related("household").get(pk=clip_pk))


@shared_task
@in_household_of("announcements.SpeechClip")
def clip_speak_task(clip_pk: int, worker_id: str, leg_id: str, channel: str, reply_to: str | None) -> None:
    """`speak` into a live connection: make the clip, then let the media worker play it."""
    clip = clip_make(clip=SpeechClip.objects.select_related("household").get(pk=clip_pk))
    if clip.state != ClipState.READY:
        code = ErrorCode.NO_MODEL if clip.state == ClipState.WAITING else ErrorCode.BAD_TEXT
        push_channel(channel, Error(code=code, message=clip.reason, reply_to=reply_to))
        return
    command = PlayClip(
        leg_id=UUID(leg_id), clip_path=str(clip_path(clip)), reply_channel=channel, request_id=reply_to
    )
    push(group_worker(worker_id), command)


@shared_task
@over_all_households
def announcements_sweep_task() -> None:
    deliveries_expire()
    deliveries_recheck(deliveries_lent_before())
    deliveries_retry()
    for announcement in announcements_unspoken():
        delay_now(announcement_speak_task, announcement.pk)
    for key in clips_due():
        delay_now(clip_make_task, key)
