"""What a device fetches."""

from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from django_scopes import scopes_disabled

from announcements.clips import clip_path
from announcements.models import AnnouncementDelivery
from announcements.services import clip_link_check
from common.errors import NotFound
from common.ranges import file_response


@require_safe
def clip_fetch(request: HttpRequest, delivery_id: UUID) -> HttpResponseBase:
    """The clip of one delivery. The signed link is the permission: a device has no cookie."""
    clip_link_check(delivery_id=str(delivery_id), token=request.GET.get("token", ""))
    with scopes_disabled():
        delivery = (
            AnnouncementDelivery.objects.select_related("announcement__clip__household")
            .filter(public_id=delivery_id, device__revoked_at=None)
            .first()
        )
    if delivery is None or not (path := clip_path(delivery.announcement.clip)).exists():
        raise NotFound("There is no such clip.")
    return file_response(request, path, "audio/wav")
