"""From an id from outside to an announcement or a clip of this household."""

from uuid import UUID

from announcements.models import Announcement, SpeechClip
from announcements.selectors import announcement_list
from common.errors import NotFound
from households.access import need as need_permission
from households.models import Membership
from households.roles import Permission


def access_announcement(*, membership: Membership, public_id: UUID | str) -> Announcement:
    """Raises NotFound, NotAllowed."""
    row = announcement_list(membership.household).filter(public_id=public_id).first()
    if row is None:
        raise NotFound("There is no such announcement.")
    need_permission(membership, Permission.ANNOUNCE)
    return row


def access_clip(*, membership: Membership, public_id: UUID | str) -> SpeechClip:
    """Raises NotFound, NotAllowed."""
    clip = SpeechClip.objects.filter(household=membership.household, public_id=public_id).first()
    if clip is None:
        raise NotFound("There is no such clip.")
    need_permission(membership, Permission.ANNOUNCE)
    return clip
