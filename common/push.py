"""Sending a hint to sockets and workers. At most once: the row is the truth, readers re-read it on connect.

Group names are made here and nowhere else.
"""

from collections.abc import Iterable
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

from common.redis import doubt
from common.stamps import EVENT_TYPE, RECHECK_TYPE, event_stamped
from protocol.base import Message

log = structlog.get_logger(__name__)


def group_household(public_id: UUID) -> str:
    """Every signed-in browser of the household, except guests': they hear only of what was lent to them."""
    return f"household.{public_id}"


def group_device(public_id: UUID) -> str:
    """The device's own socket."""
    return f"device.{public_id}"


def group_members(public_id: UUID) -> str:
    """Every signed-in browser of the household, guests' too. Nothing is told to it but to look again."""
    return f"members.{public_id}"


def group_user(public_id: UUID) -> str:
    """Every open socket of one person, in whatever household."""
    return f"user.{public_id}"


def group_guest(membership_id: UUID) -> str:
    """Every open socket of one guest in one household."""
    return f"guest.{membership_id}"


def group_worker(worker_id: str) -> str:
    """One media worker."""
    return f"worker.{worker_id}"


async def apush(group: str, message: Message) -> None:
    """To a group. Never raises: whoever misses a hint reads the row later."""
    await _group_send(group, kind=EVENT_TYPE, text=message.to_json())


async def _group_send(group: str, *, kind: str, text: str) -> None:
    try:
        doubt.check()
        await get_channel_layer().group_send(group, event_stamped(kind=kind, to=group, text=text))
    except (RedisError, OSError) as error:
        doubt.note(error)
        log.warning("push was lost: Redis is away", group=group)


async def apush_channel(channel: str, message: Message) -> None:
    """To one socket, as the answer to its request. Never raises."""
    try:
        doubt.check()
        event = event_stamped(kind=EVENT_TYPE, to=channel, text=message.to_json())
        await get_channel_layer().send(channel, event)
    except (RedisError, OSError) as error:
        doubt.note(error)
        log.warning("answer was lost: Redis is away")


def push(group: str, message: Message) -> None:
    _send(group, kind=EVENT_TYPE, text=message.to_json())


def _send(group: str, *, kind: str, text: str) -> None:
    async_to_sync(_group_send)(group, kind=kind, text=text)


def push_channel(channel: str, message: Message) -> None:
    async_to_sync(apush_channel)(channel, message)


def push_on_commit(group: str, message: Message) -> None:
    """The usual way: nobody hears of what a rollback undoes."""
    transaction.on_commit(lambda: push(group, message))


def recheck_on_commit(group: str) -> None:
    """The sockets of the group look again whether they may be what they are. Lost, they do so a little later."""
    transaction.on_commit(lambda: _send(group, kind=RECHECK_TYPE, text=""))


def push_people_on_commit(household_id: UUID, guests: Iterable[UUID], message: Message) -> None:
    """To the open pages of a household, and of those guests (ids of memberships) whom it concerns."""
    for group in (group_household(household_id), *map(group_guest, guests)):
        push_on_commit(group, message)
