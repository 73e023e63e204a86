"""What people read when somebody may not do any more what they could, and something of theirs ends with it."""

from datetime import datetime, timedelta

from django.db.models import Q

from common.clock import now
from devices.models import Device, Loan
from devices.sharing.rights import LENT_BY, loans_running
from devices.sharing.rules import RIGHT_WORDS
from households.models import Membership, User
from households.roles import Permission

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
    return f"{person} may no longer {RIGHT_WORDS[right]} {device}. An owner of {home} decided that."


def _was_lent(member: Membership, device: Device, right: Permission, since: datetime) -> bool:
    """Something older that was lent once explains nothing: then the right came from elsewhere."""
    moment = since - _MEANWHILE
    ended = Q(ended_at__gt=moment) | Q(ended_at=None, ends_at__gt=moment)
    loans = Loan.objects.filter(ended, member=member, device=device, starts_at__lte=now())
    return loans.filter(**{LENT_BY[right]: True}).exists()
