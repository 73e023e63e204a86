"""What somebody reads on the first page when what was lent to them is lent no more, also in a call."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.ending.rights import call_recheck
from calls.models import Call
from common.clock import now
from devices.models import Loan
from devices.services import device_unclaim
from devices.sharing.over import CALL_ENDED, TOLD_FOR
from households.models import Membership
from households.people.members import role_change
from households.roles import Permission, Role
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
OVER = "Your loan of Kitchen speaker ended"
MOMENT = timedelta(milliseconds=100)


@pytest.fixture
def gil(cast: Cast) -> Membership:
    return guest_make(cast)


def browser_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    return client


def home_of(member: Membership) -> str:
    page = browser_of(member).get("/").content.decode()
    return " ".join(page.split("<main")[1].replace("<strong>", "").replace("</strong>", "").split())


def lend(cast: Cast, member: Membership, **what: object) -> Loan:
    with scope(household=member.household):
        return loan_make(cast.kitchen, member, **{"can_talk": True} | what)


def talk(cast: Cast, member: Membership, **how: object) -> Call:
    """A call that goes on since some minutes."""
    began_at = now() - timedelta(minutes=3)
    with scope(household=member.household):
        call = Call.objects.create(
            household=member.household,
            device=cast.kitchen,
            started_by=member.user,
            **{"state": CallState.CONNECTED, "connected_at": began_at, "accepted_at": began_at} | how,
        )
        Call.objects.filter(pk=call.pk).update(created_at=began_at)
    return call


def end_now(cast: Cast, loan: Loan) -> None:
    url = reverse("devices:loan-end", args=[cast.kitchen.public_id, loan.public_id])
    assert browser_of(cast.anna).post(url).status_code == 302


def run_out(cast: Cast, loan: Loan, ago: timedelta = MOMENT) -> None:
    """Its time is over; a live call ends as LoanWatch ends it."""
    with scopes_disabled():
        Loan.objects.filter(pk=loan.pk).update(ends_at=now() - ago)
    call_recheck(household=loan.household)


def test_a_guest_whose_loan_was_ended_in_a_call_reads_who_ended_it_and_that_nothing_is_wrong(
    cast: Cast, gil: Membership
) -> None:
    loan = lend(cast, gil)
    assert OVER not in home_of(gil)
    talk(cast, gil)
    end_now(cast, loan)
    page = home_of(gil)
    with scopes_disabled():
        ended_at = Loan.objects.get().ended_at
    assert ended_at
    assert f"{OVER} today at {ended_at:%H:%M}. Lake House ended it." in page
    assert CALL_ENDED in page
    assert "To go on, ask somebody of Lake House to lend it to you again." in page
    assert OVER not in home_of(cast.anna)
    assert OVER not in home_of(cast.ben)


def test_a_guest_whose_loan_ran_out_in_a_call_reads_that_its_time_was_over(
    cast: Cast, gil: Membership
) -> None:
    loan = lend(cast, gil)
    talk(cast, gil)
    run_out(cast, loan)
    page = home_of(gil)
    assert OVER in page
    assert "Its time was over." in page
    assert CALL_ENDED in page


@pytest.mark.parametrize("case", ["no call", "hung up before", "a call of Anna's"])
def test_where_no_call_ended_with_it_none_is_spoken_of(cast: Cast, gil: Membership, case: str) -> None:
    loan = lend(cast, gil)
    if case == "hung up before":
        talk(cast, gil, state=CallState.ENDED, hung_up_by="caller", ended_at=now())
    if case == "a call of Anna's":
        talk(cast, cast.anna)
    end_now(cast, loan)
    page = home_of(gil)
    assert "Lake House ended it." in page
    assert CALL_ENDED not in page


def test_a_guest_whose_device_was_removed_reads_that(cast: Cast, gil: Membership) -> None:
    lend(cast, gil)
    talk(cast, gil)
    with scope(household=cast.anna.household):
        device_unclaim(device=cast.kitchen, by=cast.anna.user)
    page = home_of(gil)
    assert "Kitchen speaker was removed today at" in page
    assert "So it is not lent to you any more." in page
    assert CALL_ENDED in page


def test_it_is_told_for_a_day(cast: Cast, gil: Membership) -> None:
    loan = lend(cast, gil, starts_at=now() - timedelta(days=3))
    for ago, is_told in ((TOLD_FOR - timedelta(minutes=1), True), (TOLD_FOR + timedelta(minutes=1), False)):
        run_out(cast, loan, ago)
        assert (OVER in home_of(gil)) is is_told


def test_of_what_is_lent_again_nothing_is_told(cast: Cast, gil: Membership) -> None:
    end_now(cast, lend(cast, gil, can_announce=True))
    again = lend(cast, gil)  # without announcing
    assert home_of(gil).count(OVER) == 1
    with scopes_disabled():
        Loan.objects.filter(pk=again.pk).update(can_announce=True)
    assert OVER not in home_of(gil)
    end_now(cast, again)
    assert home_of(gil).count(OVER) == 1  # each device once


def test_what_gave_nothing_or_is_not_missed_is_not_told(cast: Cast, gil: Membership) -> None:
    later = now() + timedelta(days=1)
    end_now(cast, lend(cast, gil, starts_at=later, ends_at=later + timedelta(hours=1)))
    assert OVER not in home_of(gil)
    end_now(cast, lend(cast, cast.ben))  # a child, who may call anyway
    assert OVER not in home_of(cast.ben)


def test_what_ended_before_somebody_became_what_they_are_now_is_not_told(cast: Cast, gil: Membership) -> None:
    end_now(cast, lend(cast, cast.ben))
    role_change(member=cast.ben, role=Role.GUEST, by=cast.anna)
    assert OVER not in home_of(cast.ben)
    at_the_device = browser_of(cast.ben).get(reverse("devices:call", args=[cast.kitchen.public_id]))
    assert OVER not in at_the_device.content.decode()
    with scope(household=gil.household):
        rule_make(Permission.CALL, cast.anna, device=cast.kitchen)
    end_now(cast, lend(cast, gil))
    assert OVER in home_of(gil)
    for role in (Role.CHILD, Role.OWNER):
        role_change(member=gil, role=role, by=cast.anna)
        gil.refresh_from_db()
        assert OVER not in home_of(gil)


def test_of_a_removed_device_nobody_is_told_as_of_a_loan_who_sees_all_devices(cast: Cast) -> None:
    lend(cast, cast.ben)
    with scope(household=cast.anna.household):
        device_unclaim(device=cast.kitchen, by=cast.anna.user)
    assert "not lent to you" not in home_of(cast.ben)


def test_the_address_of_the_device_tells_the_same(cast: Cast, gil: Membership) -> None:
    loan = lend(cast, gil)
    talk(cast, gil)
    end_now(cast, loan)
    answer = browser_of(gil).get(reverse("devices:call", args=[cast.kitchen.public_id]))
    assert answer.status_code in (403, 404)
    assert f"Lake House ended it. {CALL_ENDED}" in answer.content.decode()
