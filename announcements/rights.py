"""May what somebody announced still be said? Asked before each step towards a device, and when rights change."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Exists, OuterRef, QuerySet
from django_scopes import scope

from announcements.models import AnnouncementDelivery
from common.clock import now
from devices.models import Loan
from devices.sharing.ended import right_ended_words
from devices.sharing.rights import devices_with
from households.models import Household, Membership, User
from households.roles import Permission
from protocol.messages.announcements import DeliveryState


def deliveries_waiting() -> QuerySet[AnnouncementDelivery]:
    """Those that no device has fetched yet, and whose time is not over."""
    return AnnouncementDelivery.objects.filter(state=DeliveryState.QUEUED, announcement__expires_at__gt=now())


def deliveries_lent_before() -> QuerySet[AnnouncementDelivery]:
    """Of those, whose sender had the device lent until some time ago: nobody says so when a loan runs out."""
    loans = Loan.objects.filter(
        member__user=OuterRef("announcement__sent_by"),
        device=OuterRef("device"),
        can_announce=True,
        ended_at=None,
        ends_at__lte=now(),
    )
    return deliveries_waiting().filter(Exists(loans))


def delivery_problems(deliveries: Iterable[AnnouncementDelivery]) -> dict[int, str]:
    """Key -> why it may not be said any more, in words. A few queries for each sender.

    What a device says of itself has no sender, and is said.
    """
    by_sender: defaultdict[tuple[Household, User | None], list[AnnouncementDelivery]] = defaultdict(list)
    for delivery in deliveries:
        if not delivery.announcement.is_welcome:
            by_sender[delivery.household, delivery.announcement.sent_by].append(delivery)
    problems: dict[int, str] = {}
    for (household, _), sent in by_sender.items():
        with scope(household=household):
            problems |= _problems_of(sent)
    return problems


def _problems_of(sent: list[AnnouncementDelivery]) -> dict[int, str]:
    """Of one sender in one household."""
    household, person = sent[0].household, sent[0].announcement.sent_by
    members = Membership.objects.filter(household=household, user=person, user__is_active=True)
    member = members.select_related("household").first()
    may = set(devices_with(member, Permission.ANNOUNCE).values_list("pk", flat=True)) if member else set()
    return {delivery.pk: _words(delivery) for delivery in sent if delivery.device.pk not in may}


def _words(delivery: AnnouncementDelivery) -> str:
    announcement = delivery.announcement
    why = f"Whoever sent it no longer belongs to {delivery.household}."
    if announcement.sent_by is not None:
        why = right_ended_words(
            person=announcement.sent_by,
            device=delivery.device,
            right=Permission.ANNOUNCE,
            since=announcement.created_at,
        )
    return f"Not said any more. {why}"
