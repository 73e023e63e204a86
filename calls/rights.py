"""May this caller still be in this call? Asked when rights change, when a loan runs out, and by the sweep."""

from datetime import datetime

from django_scopes import scope

from calls.models import Call
from calls.services import call_fail
from calls.state import LIVE_STATES
from devices.models import Loan
from devices.rights import device_allows, loan_end_next
from households.models import Household, Membership, User
from households.roles import Permission
from protocol.messages import CallOutcome


def call_recheck(*, household: Household, user: User | None = None) -> int:
    """End the live calls whose caller may no longer be in them; of one person, or of all. Returns how many."""
    with scope(household=household):
        calls = Call.objects.filter(household=household, state__in=LIVE_STATES)
        if user is not None:
            calls = calls.filter(started_by=user)
        problems = [
            (call, call_right_problem(call))
            for call in calls.select_related("device", "household", "started_by")
        ]
        for call, problem in problems:
            if problem:
                call_fail(call=call, outcome=CallOutcome.FAILED, reason=problem)
    return sum(1 for _, problem in problems if problem)


def call_right_problem(call: Call) -> str:
    """Why its caller may no longer be in it, in words for both ends; "" where they may."""
    if call.started_by is None:
        return ""
    caller = _caller(call)
    if caller is None:
        return f"{call.started_by} no longer belongs to {call.household}."
    if device_allows(caller, call.device, Permission.CALL):
        return ""
    if Loan.objects.filter(member=caller, device=call.device, can_talk=True).exists():
        return f"{call.device.name} is no longer lent to {call.started_by}."
    return f"{call.started_by} may no longer call {call.device.name}."


def call_loan_end(call: Call) -> datetime | None:
    """When something that is lent to its caller runs out, and perhaps the call with it."""
    is_live = Call.objects.filter(pk=call.pk, state__in=LIVE_STATES).exists()
    caller = _caller(call) if is_live else None
    return loan_end_next(caller, call.device) if caller else None


def _caller(call: Call) -> Membership | None:
    members = Membership.objects.filter(household=call.household, user=call.started_by, user__is_active=True)
    return members.select_related("user", "household").first()
