"""May this caller still be in this call? Asked when rights change, when a loan runs out, and by the sweep."""

from datetime import datetime, timedelta

from django_scopes import scope

from calls.ending.services import call_fail
from calls.models import Call
from calls.selectors import call_live_for_device
from calls.state import LIVE_STATES
from devices.models import Loan
from devices.sharing.ended import right_ended_words
from devices.sharing.rights import device_allows, loan_end_next, rights_without
from households.models import Household, Membership, User
from households.roles import Permission
from protocol.messages.calls import CallOutcome

# The clock of a loan is looked at every second, or by the sweep every five.
_NOTICED_WITHIN = timedelta(seconds=10)


def call_recheck(*, household: Household, user: User | None = None) -> int:
    """End the live calls whose caller may no longer be in them; of one person, or of all. Returns how many."""
    with scope(household=household):
        calls = Call.objects.filter(household=household, state__in=LIVE_STATES)
        if user is not None:
            calls = calls.filter(started_by=user)
        found = list(calls.select_related("device__household", "household", "started_by"))
        return sum(_end_if_due(call) for call in found)


def call_started_recheck(*, call: Call) -> None:
    """The same of one that has just begun: whoever took the right away meanwhile could not see it yet."""
    with scope(household=call.household):
        _end_if_due(call)


def _end_if_due(call: Call) -> bool:
    if problem := call_right_problem(call):
        call_fail(call=call, outcome=CallOutcome.FAILED, reason=problem)
    return bool(problem)


def call_right_problem(call: Call) -> str:
    """Why its caller may no longer be in it, in words for both ends; "" where they may."""
    if call.started_by is None:
        return ""
    caller = _caller(call)
    if caller is not None and device_allows(caller, call.device, *_needed(call)):
        return ""
    return _problem_words(call, call.started_by, caller)


def _needed(call: Call) -> tuple[Permission, ...]:
    """Where nobody answered, the right to drop in is what keeps the caller in it."""
    return (Permission.CALL, Permission.DROP_IN) if call.is_drop_in else (Permission.CALL,)


def _problem_words(call: Call, person: User, caller: Membership | None) -> str:
    missing = [one for one in _needed(call) if not (caller and device_allows(caller, call.device, one))]
    # To call what cannot ring takes the right to drop in, so that is the one of which to tell.
    right = missing[-1] if call.device.is_foreign else missing[0]
    words = right_ended_words(person=person, device=call.device, right=right, since=call.created_at)
    return words if Permission.CALL in missing else f"{words} It still rings when {person} calls."


def call_loan_end(call: Call) -> datetime | None:
    """When something that is lent to its caller runs out, and perhaps the call with it."""
    is_live = Call.objects.filter(pk=call.pk, state__in=LIVE_STATES).exists()
    caller = _caller(call) if is_live else None
    return loan_end_next(caller, call.device) if caller else None


def call_by_loan(loan: Loan) -> str:
    """What its person does by it right now, and cannot go on with when it ends, in a sentence; "" for nothing."""
    call, member = call_live_for_device(loan.device), loan.member
    if call is None or member is None or call.started_by != member.user:
        return ""
    if rights_without(member, loan).issuperset(_needed(call)):
        return ""
    if call.accepted_at:
        return f"{loan.person} is in a call with it now. It ends as soon as you end this loan."
    return f"{loan.person} is calling it now. That ends as soon as you end this loan."


def call_ended_with_loan(loan: Loan, ended_at: datetime) -> bool:
    """Whether its person was in a call with the device then, which ended by that."""
    if loan.member is None:
        return False
    ended = Call.objects.filter(started_by=loan.member.user, device=loan.device, hung_up_by="")
    within = (ended_at, ended_at + _NOTICED_WITHIN)
    return ended.filter(created_at__lte=ended_at, ended_at__range=within).exclude(reason="").exists()


def call_ended_with_role(member: Membership) -> bool:
    """Whether they were in a call when somebody made them what they are now, which ended by that."""
    changed_at = member.updated_at
    ended = Call.objects.filter(household=member.household, started_by=member.user, hung_up_by="")
    within = (changed_at, changed_at + _NOTICED_WITHIN)
    return ended.filter(created_at__lte=changed_at, ended_at__range=within).exclude(reason="").exists()


def _caller(call: Call) -> Membership | None:
    members = Membership.objects.filter(household=call.household, user=call.started_by, user__is_active=True)
    return members.select_related("user", "household").first()
