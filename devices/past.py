"""What became of a device, for whoever had a right to it until then. For everybody else it never was there."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from common.clock import now
from devices.models import Device, Loan, Transfer
from households.models import Household, Membership
from households.roles import Permission, allows


def device_past(*, membership: Membership, public_id: UUID | str) -> str:
    """In a sentence; "" where there is nothing to tell this member. Needs the household's scope."""
    devices = Device.objects.filter(household=membership.household, public_id=public_id)
    device = devices.select_related("household").first()
    if device is None:
        return ""
    loans = list(Loan.objects.filter(device=device, member=membership))
    left_at = device.revoked_at
    if left_at and (_saw(membership, left_at) or any(_was_running(loan, left_at) for loan in loans)):
        done = "was given to another home" if _is_given(device) else "was removed"
        return f"{device} {done} {_day(left_at, device.household)}. Its calls stay in the list."
    ends = [_end(loan) for loan in loans if _was_running(loan, _end(loan)) and _end(loan) <= now()]
    if not ends:
        return ""
    ended_at = max(ends)
    clock = f"{_there(ended_at, device.household):%H:%M}"
    return f"Your loan of {device} ended {_day(ended_at, device.household)} at {clock}."


def _saw(membership: Membership, moment: datetime) -> bool:
    """By the role, without any loan. Who came later never had it."""
    return allows(membership.role, Permission.DEVICES_SEE) and membership.created_at <= moment


def _end(loan: Loan) -> datetime:
    return min(loan.ends_at, loan.ended_at or loan.ends_at)


def _was_running(loan: Loan, moment: datetime) -> bool:
    """One that was ended before it began gave nothing."""
    return loan.starts_at < moment <= _end(loan)


def _is_given(device: Device) -> bool:
    return Transfer.objects.filter(device=device, accepted_at__isnull=False).exists()


def _day(moment: datetime, household: Household) -> str:
    """ "today", "yesterday", "on 3 May", "on 3 May 2025": in the household's zone."""
    there, today = _there(moment, household).date(), _there(now(), household).date()
    if (days := (today - there).days) < 2:
        return "yesterday" if days == 1 else "today"
    return f"on {there.day} {there:%B}" + (f" {there.year}" if there.year != today.year else "")


def _there(moment: datetime, household: Household) -> datetime:
    return timezone.localtime(moment, ZoneInfo(household.time_zone))
