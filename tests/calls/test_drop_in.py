"""Who is in a call without anybody having answered, and what ends that."""

from datetime import timedelta

import pytest

from calls.ending.rights import call_recheck
from calls.ending.services import call_end
from calls.models import Call
from calls.services import call_accept, call_invitation, call_start
from common.clock import now
from devices.models import Device, DeviceKind, Loan
from devices.sharing.loans import loan_end
from devices.sharing.rules import rules_save
from households.models import Membership
from households.roles import Permission
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("house_with_a_worker")]
P = Permission
DECIDED = "An owner of Lake House decided that."


def called(cast: Cast, caller: Membership) -> Call:
    call = call_start(membership=caller, device=cast.kitchen)
    call_accept(call=call)
    return call


def answers_by_itself(cast: Cast, caller: Membership) -> bool:
    call = call_start(membership=caller, device=cast.kitchen)
    invitation = call_invitation(call)
    call_end(call=call)
    assert invitation.auto_answer == call.is_drop_in
    return invitation.auto_answer


def ended_with(call: Call) -> str | None:
    call.refresh_from_db()
    return call.reason if call.state == CallState.ENDED else None


def run_out(loan: Loan) -> None:
    """Nobody says so: the clock does."""
    Loan.objects.filter(pk=loan.pk).update(ends_at=now() - timedelta(seconds=1))


def test_a_device_answers_by_itself_only_to_who_may_drop_in(cast: Cast) -> None:
    assert answers_by_itself(cast, cast.ben)
    rule_make(P.DROP_IN, cast.anna, device=cast.kitchen)
    assert not answers_by_itself(cast, cast.ben)
    loan = loan_make(cast.kitchen, cast.ben, can_listen=True)
    assert answers_by_itself(cast, cast.ben)
    run_out(loan)
    assert not answers_by_itself(cast, cast.ben)


def test_a_device_that_comes_back_and_shall_not_answer_by_itself_any_more_rings(cast: Cast) -> None:
    call = call_start(membership=cast.anna, device=cast.kitchen)
    Device.objects.filter(pk=cast.kitchen.pk).update(is_auto_answer=False)
    assert not call_invitation(Call.objects.get(pk=call.pk)).auto_answer


def test_listening_that_was_lent_and_is_taken_back_ends_the_call_of_who_may_call_anyway(cast: Cast) -> None:
    rule_make(P.DROP_IN, cast.anna, device=cast.kitchen)
    loan = loan_make(cast.kitchen, cast.ben, can_listen=True)
    call = called(cast, cast.ben)
    assert call_recheck(household=cast.anna.household) == 0
    loan_end(loan=loan, by=cast.anna.user)
    assert ended_with(call) == "Kitchen speaker is no longer lent to Ben. It still rings when Ben calls."


def test_listening_that_runs_out_ends_the_call_although_talking_is_lent_for_longer(cast: Cast) -> None:
    gil = guest_make(cast)
    loan_make(cast.kitchen, gil, can_talk=True)
    listening = loan_make(cast.kitchen, gil, can_listen=True)
    call = called(cast, gil)
    run_out(listening)
    assert call_recheck(household=cast.anna.household) == 1
    words = "Kitchen speaker is no longer lent to Gil for listening. It still rings when Gil calls."
    assert ended_with(call) == words


def test_all_that_was_lent_runs_out_at_once(cast: Cast) -> None:
    gil = guest_make(cast)
    loan = loan_make(cast.kitchen, gil, can_talk=True, can_listen=True)
    call = called(cast, gil)
    run_out(loan)
    assert call_recheck(household=cast.anna.household) == 1
    assert ended_with(call) == "Kitchen speaker is no longer lent to Gil."


def test_an_owner_who_decides_who_may_drop_in_ends_the_call_of_the_others(cast: Cast) -> None:
    call = called(cast, cast.ben)
    rules_save(membership=cast.anna, place=cast.kitchen, named={P.DROP_IN: [cast.anna]})
    words = f"Ben may no longer listen into Kitchen speaker. {DECIDED} It still rings when Ben calls."
    assert ended_with(call) == words


def test_what_was_lent_long_ago_explains_nothing(cast: Cast) -> None:
    loan = loan_make(cast.kitchen, cast.ben, can_listen=True)
    Loan.objects.filter(pk=loan.pk).update(ends_at=now() - timedelta(minutes=30))
    call = called(cast, cast.ben)
    rule_make(P.DROP_IN, cast.anna, device=cast.kitchen)
    assert call_recheck(household=cast.anna.household) == 1
    assert DECIDED in (ended_with(call) or "")


def test_a_call_that_somebody_answered_goes_on_without_the_right_to_drop_in(cast: Cast) -> None:
    Device.objects.filter(pk=cast.kitchen.pk).update(is_auto_answer=False)
    cast.kitchen.refresh_from_db()
    call = called(cast, cast.ben)
    rules_save(membership=cast.anna, place=cast.kitchen, named={P.DROP_IN: [cast.anna]})
    assert ended_with(call) is None
    rules_save(membership=cast.anna, place=cast.kitchen, named={P.CALL: [cast.anna]})
    assert ended_with(call) == f"Ben may no longer call Kitchen speaker. {DECIDED}"


def test_what_cannot_ring_is_never_said_to_ring(cast: Cast) -> None:
    gil = guest_make(cast)
    loan_make(cast.kitchen, gil, can_talk=True)
    listening = loan_make(cast.kitchen, gil, can_listen=True)
    call = called(cast, gil)
    Device.objects.filter(pk=cast.kitchen.pk).update(kind=DeviceKind.FOREIGN)
    run_out(listening)
    assert call_recheck(household=cast.anna.household) == 1
    assert ended_with(call) == "Kitchen speaker is no longer lent to Gil for listening."
