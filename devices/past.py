"""What became of a device, for whoever had a right to it until then. For everybody else it never was there."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from common.clock import now
from devices.models import Device, Loan
from devices.sharing.over import day_words, gone_words, loan_ended_at, loan_gave, loan_over
from households.models import Membership
from households.roles import Permission, allows


def device_past(*, membership: Membership, public_id: UUID | str) -> str:
    """In a sentence or two; "" where there is nothing to tell this member. Needs the household's scope."""
    devices = Device.objects.filter(household=membership.household, public_id=public_id)
    device = devices.select_related("household", "replaced_by").first()
    if device is None:
        return ""
    # What was lent when it was reset and added again is lent of the newer row.
    loans = Loan.objects.filter(Q(device=device) | Q(device__replaced=device), member=membership)
    loans = loans.select_related("device__household", "member__user")
    gave = [loan for loan in loans if loan_gave(loan, loan_ended_at(loan))]
    left_at = device.revoked_at
    if left_at and (_saw(membership, left_at) or any(loan_gave(loan, left_at) for loan in gave)):
        if device.is_back:
            return f"{device} was reset and added again."
        return f"{device} {gone_words(device)} {day_words(left_at, device.household)}. Its calls stay in the list."
    # What ended before they became what they are now is not why they have it no more.
    over = [loan for loan in gave if membership.updated_at < loan_ended_at(loan) <= now()]
    return loan_over(max(over, key=loan_ended_at)).words if over else ""


def _saw(membership: Membership, moment: datetime) -> bool:
    """By the role, without any loan. Who came later never had it."""
    return allows(membership.role, Permission.DEVICES_SEE) and membership.created_at <= moment
