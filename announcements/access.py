"""From an id from outside to an announcement or a clip of this household."""

from uuid import UUID

from announcements.models import Announcement, SpeechClip
from announcements.selectors import announcement_list
from common.errors import NotFound
from households.models import Membership
from households.roles import Permission, allows


def access_announcement(*, membership: Membership, public_id: UUID | str) -> Announcement:
    """Raises NotFound."""
    row = announcement_list(membership).filter(public_id=public_id).first()
    if row is None:
        raise NotFound("There is no such announcement.")
    return row


def access_clip(*, membership: Membership, public_id: UUID | str) -> SpeechClip:
    """Whoever may not read all announcements hears their own only. Raises NotFound."""
    clips = SpeechClip.objects.filter(household=membership.household)
    if not allows(membership.role, Permission.ANNOUNCE):
        clips = clips.filter(announcements__in=announcement_list(membership)).distinct()
    clip = clips.filter(public_id=public_id).first()
    if clip is None:
        raise NotFound("There is no such clip.")
    return clip
