"""What people read when somebody may not do any more what they could, and something of theirs ends with it."""

from datetime import datetime, timedelta

from django.db.models import Q

from common.clock import now
from common.names import name_apart
from devices.models import Device, Loan
from devices.sharing.rights import LENT_BY, loans_running
from devices.sharing.rules import RIGHT_WORDS
from households.models import Membership, User
from households.roles import ROLE_NOUNS, Permission, Role, allows

# A right may end while something begins.
_MEANWHILE = timedelta(minutes=1)
_LENT_FOR = {
    Permission.CALL: "talking",
    Permission.DROP_IN: "listening",
    Permission.ANNOUNCE: "announcing",
}


def right_ended_words(*, person: User, device: Device, right: Permission, since: datetime) -> str:
    """Who decided, for everybody whom it concerns. Of a right that is gone; what ends with it began at `since`."""
    home = device.household
    member = Membership.objects.filter(household=home, user=person, user__is_active=True).first()
    if member is None:
        return f"{person} no longer belongs to {home}."
    if not Device.objects.filter(pk=device.pk, revoked_at=None).exists():
        return f"{device} no longer belongs to {home}."
    if _was_lent(member, device, right, since):
        is_lent = loans_running(member).filter(device=device).exists()
        what = f" for {_LENT_FOR[right]}" if is_lent else ""
        return f"{device} is no longer lent to {person}{what}."
    if member.role_news and member.updated_at > since and not allows(member.role, right):
        return f"{name_apart(member.role_news)} made {person} {ROLE_NOUNS[Role(member.role)]} in {home}."
    return f"{person} may no longer {RIGHT_WORDS[right]} {device}. An owner of {home} decided that."


def _was_lent(member: Membership, device: Device, right: Permission, since: datetime) -> bool:
    """What was lent once, or before they became what they are now, explains nothing: the right came from elsewhere."""
    moment = max(since - _MEANWHILE, member.updated_at)
    ended = Q(ended_at__gt=moment) | Q(ended_at=None, ends_at__gt=moment)
    loans = Loan.objects.filter(ended, member=member, device=device, starts_at__lte=now())
    return loans.filter(**{LENT_BY[right]: True}).exists()
