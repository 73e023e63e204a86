"""Loans that are over: what their person reads of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from common.clock import now
from devices.events import loan_call_sought
from devices.models import Device, Loan, Transfer
from devices.sharing.rights import LENT_BY, devices_visible, has_right, rights_annotate
from households.models import Household, Membership
from households.roles import Permission, allows

TOLD_FOR: Final = timedelta(days=1)  # on the first page that they see; on the device's own for good
CALL_ENDED: Final = "Your call ended with it. Nothing is wrong with your phone."


@dataclass(frozen=True)
class LoanOver:
    """`what`: which device, and when it ended. `why`: by whom, or by what."""

    what: str
    why: str
    has_ended_call: bool

    @property
    def words(self) -> str:
        return f"{self.what} {self.why} {CALL_ENDED}" if self.has_ended_call else f"{self.what} {self.why}"


def loans_over(membership: Membership) -> list[LoanOver]:
    """What ended lately and is missed: the newest first, each device once. Needs the household's scope.

    What ended before somebody became what they are now is not: the role says more of what they may do.
    """
    moment = now()
    loans = Loan.objects.filter(member=membership, ends_at__gt=moment - TOLD_FOR)
    over = [
        loan
        for loan in loans.select_related("device__household", "member__user")
        if max(moment - TOLD_FOR, membership.updated_at) < loan_ended_at(loan) <= moment
        and loan_gave(loan, loan_ended_at(loan))
        and not (loan.device.revoked_at and allows(membership.role, Permission.DEVICES_SEE))
    ]
    held = _rights_held(membership, over)
    missed: dict[int, Loan] = {}
    for loan in sorted(over, key=loan_ended_at):
        if any(
            getattr(loan, given)
            for right, given in LENT_BY.items()
            if right not in held.get(loan.device_id, ())
        ):
            missed[loan.device_id] = loan
    return [loan_over(loan) for loan in sorted(missed.values(), key=loan_ended_at, reverse=True)]


def _rights_held(membership: Membership, loans: list[Loan]) -> dict[int, set[Permission]]:
    """By the key of the device: what they may do with it all the same."""
    if not loans:
        return {}
    devices = devices_visible(membership).filter(pk__in=[loan.device_id for loan in loans])
    rows = rights_annotate(devices, membership)
    return {row.pk: {right for right in LENT_BY if has_right(row, right)} for row in rows}


def loan_over(loan: Loan) -> LoanOver:
    """Of one that is over, and gave its member something until then."""
    ended_at, device = loan_ended_at(loan), loan.device
    when = f"{day_words(ended_at, device.household)} at {_there(ended_at, device.household):%H:%M}"
    if device.revoked_at == ended_at:
        what, why = f"{device} {gone_words(device)} {when}.", "So it is not lent to you any more."
    else:
        what = f"Your loan of {device} ended {when}."
        why = f"{device.household} ended it." if loan.ended_at == ended_at else "Its time was over."
    answers = loan_call_sought.send(sender=Loan, loan=loan, ended_at=ended_at)
    return LoanOver(what, why, any(has_ended for _, has_ended in answers))


def loan_ended_at(loan: Loan) -> datetime:
    """With what was ended before its time, and with what its device left. Of one that is over, or will be."""
    return min(at for at in (loan.ends_at, loan.ended_at, loan.device.revoked_at) if at is not None)


def loan_gave(loan: Loan, moment: datetime) -> bool:
    """Something, until then. One that was ended before it began gave nothing."""
    return loan.starts_at < moment <= loan_ended_at(loan)


def gone_words(device: Device) -> str:
    is_given = Transfer.objects.filter(device=device, accepted_at__isnull=False).exists()
    return "was given to another home" if is_given else "was removed"


def day_words(moment: datetime, household: Household) -> str:
    """ "today", "yesterday", "on 3 May", "on 3 May 2025": in the household's zone."""
    there, today = _there(moment, household).date(), _there(now(), household).date()
    if (days := (today - there).days) < 2:
        return "yesterday" if days == 1 else "today"
    return f"on {there.day} {there:%B}" + (f" {there.year}" if there.year != today.year else "")


def _there(moment: datetime, household: Household) -> datetime:
    return timezone.localtime(moment, ZoneInfo(household.time_zone))
