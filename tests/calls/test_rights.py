"""Who may see and hear of which call, and whose call ends when rights change."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from calls.access import access_call
from calls.ending.rights import call_loan_end, call_recheck
from calls.models import Call
from calls.selectors import call_list, call_live_list
from calls.sweep import calls_sweep
from common.clock import now
from common.errors import NotAllowed, NotFound
from devices.models import Loan
from devices.services import device_unclaim
from households.events import rights_changed
from households.models import Membership
from households.roles import Permission, Role
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast, device_make, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
P = Permission


def call_make(cast: Cast, caller: Membership, state: CallState = CallState.ENDED) -> Call:
    ended_at = now() if state == CallState.ENDED else None
    return Call.objects.create(
        household=cast.anna.household,
        device=cast.kitchen,
        started_by=caller.user,
        state=state,
        ended_at=ended_at,
        connected_at=now(),
    )


def may_hear(member: Membership, call: Call) -> bool:
    try:
        access_call(membership=member, public_id=call.public_id, need=P.RECORDINGS_HEAR)
    except (NotAllowed, NotFound):
        return False
    return True


def test_a_child_knows_of_the_own_calls_alone(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        own, other = call_make(cast, cast.ben), call_make(cast, cast.anna)
        assert list(call_list(cast.ben)) == [own]
        assert set(call_list(cast.anna)) == {own, other}
        assert access_call(membership=cast.ben, public_id=own.public_id, need=P.CALLS_SEE) == own
        with pytest.raises(NotFound):
            access_call(membership=cast.ben, public_id=other.public_id, need=P.CALLS_SEE)
        with pytest.raises(NotAllowed, match=r"may not hear recordings of Kitchen speaker\. An owner"):
            access_call(membership=cast.ben, public_id=own.public_id, need=P.RECORDINGS_HEAR)


def test_what_is_said_with_a_device_is_heard_by_whom_its_rule_names(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        call = call_make(cast, cast.anna)
        rule_make(P.RECORDINGS_HEAR, cast.ben, device=cast.kitchen)
        assert (may_hear(cast.ben, call), may_hear(cast.anna, call)) == (True, False)
        assert list(call_list(cast.ben)) == [call]
        assert list(call_list(cast.anna)) == [call]  # it is in the history, and cannot be heard
        assert not may_hear(cast.carla, call)


def test_calls_of_a_removed_device_are_heard_by_the_same_people(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        call = call_make(cast, cast.ben)
        device_unclaim(device=cast.kitchen)
        assert (may_hear(cast.anna, call), may_hear(cast.ben, call)) == (True, False)


def test_the_page_of_a_call_that_may_not_be_heard_says_so(client: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        call = call_make(cast, cast.ben)
    client.force_login(cast.ben.user)
    page = client.get(reverse("calls:detail", args=[call.public_id])).content.decode()
    assert "You may not hear recordings of Kitchen speaker" in page
    assert reverse("transcripts:partial", args=[call.public_id]) not in page
    for name in ("calls:audio", "transcripts:partial"):
        assert client.get(reverse(name, args=[call.public_id])).status_code == 403
    assert client.get(reverse("calls:list")).status_code == 200


def test_a_guest_is_told_of_lent_devices_and_own_calls(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        call = call_make(cast, cast.anna, CallState.CONNECTED)
        assert list(call_live_list(guest)) == []
        loan = loan_make(cast.kitchen, guest, can_announce=True)
        assert list(call_live_list(guest)) == [call]
        assert list(call_list(guest)) == []
        Loan.objects.filter(pk=loan.pk).update(ended_at=now())
        assert list(call_live_list(guest)) == []
        Call.objects.filter(pk=call.pk).update(started_by=guest.user)
        assert list(call_live_list(guest)) == [call]
        assert list(call_list(guest)) == [call]


def ended_with(call: Call) -> str | None:
    call.refresh_from_db()
    return call.reason if call.state == CallState.ENDED else None


def test_a_rule_ends_the_call_of_whom_it_leaves_out(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        call = call_make(cast, cast.ben, CallState.CONNECTED)
        assert call_recheck(household=cast.anna.household) == 0
        rule_make(P.CALL, cast.anna, device=cast.kitchen)
        assert call_recheck(household=cast.anna.household, user=cast.anna.user) == 0
        assert ended_with(call) is None
        rights_changed.send(sender=None, household=cast.anna.household, user=cast.ben.user)
        assert ended_with(call) == (
            "Ben may no longer call Kitchen speaker. An owner of Lake House decided that."
        )


def test_who_is_no_member_any_more_is_in_no_call(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        call = call_make(cast, cast.ben, CallState.CONNECTED)
        cast.ben.delete()
        rights_changed.send(sender=None, household=cast.anna.household, user=None)
        assert ended_with(call) == "Ben no longer belongs to Lake House."


def test_the_sweep_ends_the_call_of_a_loan_that_ran_out(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        loan = loan_make(cast.kitchen, guest, can_talk=True)
        call = call_make(cast, guest, CallState.CONNECTED)
        assert call_loan_end(call) == loan.ends_at
        assert calls_sweep() == 0
        Loan.objects.filter(pk=loan.pk).update(ends_at=now() - timedelta(seconds=1))
        assert calls_sweep() == 1
        assert ended_with(call) == "Kitchen speaker is no longer lent to Gil."
        assert call_loan_end(call) is None


def test_rights_over_another_device_end_nothing(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.CHILD)
    with scope(household=cast.anna.household):
        attic, _ = device_make(cast.anna, "Attic speaker", "Attic")
        call = call_make(cast, cast.ben, CallState.CONNECTED)
        rule_make(P.CALL, cast.anna, device=attic)
        assert call_recheck(household=cast.anna.household) == 0
        assert ended_with(call) is None
