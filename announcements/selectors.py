"""Reads."""

from django.db.models import Prefetch, QuerySet

from announcements.models import Announcement, AnnouncementDelivery
from households.models import Household


def announcement_list(household: Household) -> QuerySet[Announcement]:
    """Newest first, each with its deliveries."""
    deliveries = AnnouncementDelivery.objects.select_related("device").order_by("device__name")
    return (
        Announcement.objects.filter(household=household)
        .select_related("sent_by", "clip")
        .prefetch_related(Prefetch("deliveries", queryset=deliveries))
        .order_by("-created_at")
    )
