"""What a device fetches."""

from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from django_scopes import scopes_disabled

from announcements.clips import clip_path
from announcements.models import AnnouncementDelivery
from announcements.services import clip_link_check, deliveries_recheck
from common.errors import NotFound
from common.ranges import file_response


@require_safe
def clip_fetch(request: HttpRequest, delivery_id: UUID) -> HttpResponseBase:
    """The clip of one delivery. The signed link is the permission: a device has no cookie.

    Where its sender may not announce any more, the link is worth nothing: the device may have kept it for a while.
    """
    clip_link_check(delivery_id=str(delivery_id), token=request.GET.get("token", ""))
    with scopes_disabled():
        deliveries = AnnouncementDelivery.objects.filter(public_id=delivery_id, device__revoked_at=None)
        delivery = next(iter(deliveries_recheck(deliveries)), None)
    if delivery is None or not (path := clip_path(delivery.announcement.clip)).exists():
        raise NotFound("There is no such clip.")
    return file_response(request, path, "audio/wav")
