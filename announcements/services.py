"""Announcements: check, store, speak, hand out, and keep what each device says of it."""

from datetime import timedelta
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django_scopes import scope

from announcements.clips import clip_request
from announcements.events import announcement_sent
from announcements.models import Announcement, AnnouncementDelivery, ClipState
from announcements.rights import deliveries_waiting, delivery_problems
from announcements.speech import text_clean
from common.clock import now
from common.errors import Invalid, NotFound
from common.push import group_device, push_on_commit, push_people_on_commit
from devices.models import Device
from devices.selectors import guests_of
from devices.sharing.rights import devices_with, need_right_somewhere, right_refusal
from households.models import Household, Membership, User
from households.roles import Permission
from protocol.messages.announcements import Announce, AnnounceProgress, DeliveryState

EXPIRES_AFTER = timedelta(hours=1)
# From the end of an announcement's time until a device that took it and fell silent is given up.
SILENCE_AFTER_FETCH = timedelta(minutes=5)
LINK_LIFE_S = 600
_SALT = "announcements.clip"
_EARLIER: dict[DeliveryState, tuple[DeliveryState, ...]] = {
    DeliveryState.FETCHED: (DeliveryState.QUEUED,),
    # What was heard was heard, whatever was believed before.
    DeliveryState.PLAYED: (
        DeliveryState.QUEUED,
        DeliveryState.FETCHED,
        DeliveryState.FAILED,
        DeliveryState.EXPIRED,
    ),
    DeliveryState.FAILED: (DeliveryState.QUEUED, DeliveryState.FETCHED),
    DeliveryState.EXPIRED: (DeliveryState.QUEUED,),
}


def announcement_send(
    *, membership: Membership, text: str, devices: list[Device], voice_id: str | None = None
) -> Announcement:
    """Store it and let it be spoken. Raises BadText, Invalid (no device, unknown voice), NotAllowed."""
    _check_rights(membership, devices)
    text_clean(text)
    if not devices:
        raise Invalid("Choose a room, a device, or everywhere.")
    if foreign := next((device for device in devices if device.is_foreign), None):
        raise Invalid(f"{foreign.name} is of another maker, and plays no announcements.")
    with transaction.atomic():
        clip = clip_request(household=membership.household, text=text, voice_id=voice_id)
        announcement = Announcement.objects.create(
            household=membership.household,
            text=clip.text,
            clip=clip,
            sent_by=membership.user,
            expires_at=now() + EXPIRES_AFTER,
        )
        AnnouncementDelivery.objects.bulk_create(
            AnnouncementDelivery(household=membership.household, announcement=announcement, device=device)
            for device in devices
        )
        announcement_sent.send(sender=Announcement, announcement=announcement)
    return announcement


def _check_rights(membership: Membership, devices: list[Device]) -> None:
    need_right_somewhere(membership, Permission.ANNOUNCE)
    allowed = set(devices_with(membership, Permission.ANNOUNCE).values_list("pk", flat=True))
    if refused := next((device for device in devices if device.pk not in allowed), None):
        raise right_refusal(refused, Permission.ANNOUNCE)


def announcement_deliver(*, announcement: Announcement) -> None:
    """Tell every device that has not got it yet. Sending again is always safe: the device keeps a journal."""
    for delivery in deliveries_recheck(announcement.deliveries.filter(state=DeliveryState.QUEUED)):
        delivery_push(delivery)


def deliveries_push_pending(*, device: Device) -> None:
    """A device came back: what waits for it and has not expired."""
    waiting = AnnouncementDelivery.objects.filter(
        device=device,
        state__in=[DeliveryState.QUEUED, DeliveryState.FETCHED],
        announcement__expires_at__gt=now(),
        announcement__clip__state=ClipState.READY,
    )
    for delivery in deliveries_recheck(waiting.order_by("created_at")):
        delivery_push(delivery)


def announcements_recheck(*, household: Household, user: User | None = None) -> None:
    """What this person announced, or anybody, waits no longer where they may not announce any more."""
    with scope(household=household):
        waiting = deliveries_waiting().filter(household=household)
        deliveries_recheck(waiting.filter(announcement__sent_by=user) if user else waiting)


def deliveries_recheck(deliveries: QuerySet[AnnouncementDelivery]) -> list[AnnouncementDelivery]:
    """Gives up those that wait and whose sender may not announce there any more. Returns those that may be said."""
    related = ("announcement__clip__household", "announcement__sent_by", "device__household", "household")
    rows = list(deliveries.select_related(*related))
    problems = delivery_problems(rows)
    for delivery in rows:
        if words := problems.get(delivery.pk):
            with scope(household=delivery.household):
                delivery_move(delivery, DeliveryState.EXPIRED, words)
    return [delivery for delivery in rows if delivery.pk not in problems]


def delivery_push(delivery: AnnouncementDelivery) -> None:
    announcement = delivery.announcement
    AnnouncementDelivery.objects.filter(pk=delivery.pk).update(pushed_at=now())
    push_on_commit(
        group_device(delivery.device.public_id),
        Announce(
            delivery_id=delivery.public_id,
            text=announcement.text,
            clip_url=clip_link(delivery),
            clip_sha256=announcement.clip.sha256,
            expires_at=announcement.expires_at,
        ),
    )


def clip_link(delivery: AnnouncementDelivery) -> str:
    """A path that gives the clip to whoever has it, for ten minutes."""
    token = signing.dumps(str(delivery.public_id), salt=_SALT)
    return f"{reverse('clip', args=[delivery.public_id])}?token={token}"


def clip_link_check(*, delivery_id: str, token: str) -> None:
    """Raises NotFound for a link that is forged, expired or another delivery's."""
    try:
        signed = signing.loads(token, salt=_SALT, max_age=LINK_LIFE_S)
    except signing.BadSignature:
        signed = None
    if signed != delivery_id:
        raise NotFound("This link is no longer valid.")


def delivery_progress(*, device: Device, public_id: UUID, state: DeliveryState, reason: str = "") -> bool:
    """What a device reports. Forward only; False when it was known already. Raises NotFound."""
    delivery = (
        AnnouncementDelivery.objects.select_related("announcement__household", "device")
        .filter(device=device, public_id=public_id)
        .first()
    )
    if delivery is None:
        raise NotFound("There is no such announcement.")
    return delivery_move(delivery, state, reason)


def delivery_move(delivery: AnnouncementDelivery, state: DeliveryState, reason: str = "") -> bool:
    stamps = {DeliveryState.FETCHED: "fetched_at", DeliveryState.PLAYED: "played_at"}
    fields = {stamps[state]: now()} if state in stamps else {}
    with transaction.atomic():
        rows = AnnouncementDelivery.objects.filter(pk=delivery.pk, state__in=_EARLIER.get(state, ()))
        if not rows.update(state=state, reason=reason[:200], updated_at=now(), **fields):
            return False
        progress = AnnounceProgress(
            delivery_id=delivery.public_id,
            state=state,
            announcement_id=delivery.announcement.public_id,
            device_id=delivery.device.public_id,
            reason=reason[:200] or None,
        )
        guests = guests_of(delivery.device, caller_id=delivery.announcement.sent_by_id)
        push_people_on_commit(delivery.household.public_id, guests, progress)
    return True


def deliveries_expire() -> int:
    """Nobody wants to hear at night that lunch is ready. Returns how many, with those whose device fell silent."""
    rows = AnnouncementDelivery.objects.select_related("announcement", "device", "household")
    late = rows.filter(state=DeliveryState.QUEUED, announcement__expires_at__lt=now())
    silent = rows.filter(
        state=DeliveryState.FETCHED, announcement__expires_at__lt=now() - SILENCE_AFTER_FETCH
    )
    words = "The device took it and never said whether it was heard."
    moves = [(delivery, DeliveryState.EXPIRED, "") for delivery in late]
    moves += [(delivery, DeliveryState.FAILED, words) for delivery in silent]
    count = 0
    for delivery, state, reason in moves:
        with scope(household=delivery.household):
            count += delivery_move(delivery, state, reason)
    return count


def deliveries_retry() -> None:
    """What a device that is online was told of and never answered for, is told again."""
    stale = now() - timedelta(seconds=20)
    silent = AnnouncementDelivery.objects.filter(
        Q(pushed_at=None, created_at__lt=stale) | Q(pushed_at__lt=stale),
        state=DeliveryState.QUEUED,
        announcement__expires_at__gt=now(),
        announcement__clip__state=ClipState.READY,
        device__presence__is_online=True,
    )
    for delivery in deliveries_recheck(silent):
        with scope(household=delivery.household):
            delivery_push(delivery)


def announcements_unspoken() -> list[Announcement]:
    """Announcements whose clip is still not made: the broker lost the task, or a voice was missing."""
    late = now() - timedelta(seconds=8)
    waiting = Announcement.objects.filter(
        expires_at__gt=now(), created_at__lt=late, clip__state__in=[ClipState.QUEUED, ClipState.WAITING]
    )
    return list(waiting)
