"""Reads."""

from django.db.models import Prefetch, QuerySet

from announcements.models import Announcement, AnnouncementDelivery
from households.models import Membership
from households.roles import Permission, allows
from protocol.messages.announcements import DeliveryState

PHRASES = ("Dinner is ready.", "Please come downstairs.", "Good night, everybody.")


def announcement_list(membership: Membership) -> QuerySet[Announcement]:
    """What people sent, newest first, each with its deliveries; of whose role does not announce, the own ones alone."""
    deliveries = AnnouncementDelivery.objects.select_related("device__presence").order_by("device__name")
    return (
        _announcements(membership)
        .select_related("sent_by", "clip")
        .prefetch_related(Prefetch("deliveries", queryset=deliveries))
        .order_by("-created_at")
    )


def announcement_is_settled(announcement: Announcement) -> bool:
    """Whether nothing more will happen to it by itself."""
    moving = (DeliveryState.QUEUED, DeliveryState.FETCHED)
    return all(delivery.state not in moving for delivery in announcement.deliveries.all())


def phrase_list(membership: Membership, most: int = 4) -> list[str]:
    """What this household said last, each once and only if it is short; usual phrases before there is any."""
    texts = _announcements(membership).order_by("-created_at").values_list("text", flat=True)
    recent = list(dict.fromkeys(text for text in texts[:40] if len(text) <= 80))
    return recent[:most] or list(PHRASES)


def _announcements(membership: Membership) -> QuerySet[Announcement]:
    found = Announcement.objects.filter(household=membership.household, is_welcome=False)
    return found if allows(membership.role, Permission.ANNOUNCE) else found.filter(sent_by=membership.user)
