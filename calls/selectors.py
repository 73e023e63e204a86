"""Reads."""

from django.db.models import Exists, OuterRef, QuerySet

from calls.models import Call, ListeningCopy, Recording
from calls.state import LIVE_STATES
from devices.models import Device
from households.models import Household


def call_list(household: Household) -> QuerySet[Call]:
    """The history, newest first, each with `has_recording`."""
    return (
        Call.objects.filter(household=household)
        .select_related("device__room", "started_by")
        .annotate(has_recording=Exists(Recording.objects.filter(call=OuterRef("pk"), duration_s__gt=0)))
        .order_by("-created_at")
    )


def call_live_list(household: Household) -> QuerySet[Call]:
    return Call.objects.filter(household=household, state__in=LIVE_STATES).select_related("device")


def listening_copy_get(call: Call) -> ListeningCopy | None:
    return ListeningCopy.objects.filter(call=call).first()


def call_live_for_device(device: Device) -> Call | None:
    return (
        Call.objects.filter(device=device, state__in=LIVE_STATES)
        .select_related("device", "household", "started_by")
        .first()
    )
