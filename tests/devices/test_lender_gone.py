"""What somebody lent, once they may lend nothing any more."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.models import Call
from common.clock import now
from common.errors import Conflict, NotAllowed, NotFound
from devices.models import Loan
from devices.sharing.loans import loan_create, loan_end, loan_list
from households.models import Membership, User
from households.people.invitations import invitation_accept, invitation_create
from households.people.members import household_hand_over, member_leave, member_remove, role_change
from households.record.audit import AuditKind, audit_list, audit_sentence
from households.roles import Permission, Role
from protocol.messages.calls import CallState
from tests.devices.having import rights_of
from tests.plugin_cast import Cast, guest_make, loan_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

ENDS = pytest.mark.parametrize(
    ("deed", "by"), [("removed", "Anna"), ("left", "Dora"), ("child", "Anna"), ("guest", "Anna")]
)
NO_MORE = ": Dora, who had lent it, lends nothing any more."


@pytest.fixture
def dora(cast: Cast) -> Membership:
    """An adult of Anna's household."""
    user = User.objects.create_user("dora@example.org", name="Dora")
    return Membership.objects.create(
        user=user, household=cast.anna.household, role=Role.ADULT, consented_at=now()
    )


@pytest.fixture
def gil(cast: Cast) -> Membership:
    return guest_make(cast)


def lend(cast: Cast, by: Membership, to: Membership | None, name: str = "") -> tuple[Loan, str]:
    with scope(household=cast.anna.household):
        return loan_create(
            membership=by,
            device=cast.kitchen,
            rights={Permission.CALL},
            starts_at=now(),
            ends_at=now() + timedelta(days=30),
            to=to,
            name=name,
        )


def end(deed: str, cast: Cast, dora: Membership) -> None:
    """`deed`: what becomes of Dora, or her new role."""
    if deed == "removed":
        member_remove(member=dora, by=cast.anna)
    elif deed == "left":
        member_leave(membership=dora)
    else:
        role_change(member=dora, role=Role(deed), by=cast.anna)


def told(cast: Cast) -> list[str]:
    """What the record says of loans and invitations, oldest first."""
    kinds = (AuditKind.LOAN_ENDED, AuditKind.INVITATION_REVOKED)
    with scope(household=cast.anna.household):
        entries = audit_list(cast.anna.household).filter(kind__in=kinds).order_by("number")
        return [re.sub(", which was to last until [^:.]+:[0-9]+", "", audit_sentence(one)) for one in entries]


def page(client: Client, name: str, *args: object) -> str:
    return client.get(reverse(name, args=args)).content.decode()


@ENDS
def test_it_ends_with_them_at_once_also_in_a_call(
    cast: Cast, dora: Membership, gil: Membership, deed: str, by: str
) -> None:
    lend(cast, dora, gil)
    with scope(household=cast.anna.household):
        call = Call.objects.create(
            household=gil.household, device=cast.kitchen, started_by=gil.user, state=CallState.CONNECTED
        )
        assert rights_of(gil, cast.kitchen) == {Permission.CALL}
    end(deed, cast, dora)
    with scope(household=cast.anna.household):
        assert rights_of(gil, cast.kitchen) == frozenset()
        assert Loan.objects.get().ended_at is not None
        call.refresh_from_db()
    assert (call.state, call.reason) == (CallState.ENDED, "Kitchen speaker is no longer lent to Gil.")
    assert told(cast) == [f"{by} ended the loan of Kitchen speaker to Gil{NO_MORE}"]


@ENDS
def test_what_waits_for_somebody_ends_with_its_link(
    cast: Cast, dora: Membership, gil: Membership, deed: str, by: str
) -> None:
    _, token = lend(cast, dora, None, "Fred")
    end(deed, cast, dora)
    with pytest.raises(Conflict, match="taken back"):
        invitation_accept(token=token, user=gil.user)
    with scopes_disabled():
        assert Loan.objects.get().ended_at is not None
    assert told(cast) == [
        f"{by} ended the loan of Kitchen speaker to Fred{NO_MORE}",
        f"{by} took back the invitation of Fred{'' if by == 'Dora' else ', which Dora had made'}.",
    ]


def test_what_others_lent_and_what_was_over_stays_as_it_was(
    cast: Cast, dora: Membership, gil: Membership
) -> None:
    kept, _ = lend(cast, cast.anna, gil)
    over, _ = lend(cast, dora, gil)
    with scope(household=cast.anna.household):
        loan_end(loan=over, by=dora.user)
        ended_at = Loan.objects.get(pk=over.pk).ended_at
    Membership.objects.create(user=dora.user, household=cast.carla.household, role=Role.ADULT)
    with scope(household=cast.carla.household):
        other = loan_make(cast.cellar, cast.carla, can_talk=True, lent_by=dora.user)
    member_remove(member=dora, by=cast.anna)
    with scopes_disabled():
        assert Loan.objects.get(pk=kept.pk).ended_at is None
        assert Loan.objects.get(pk=other.pk).ended_at is None
        assert Loan.objects.get(pk=over.pk).ended_at == ended_at
    assert told(cast) == ["Dora ended the loan of Kitchen speaker to Gil."]


@pytest.mark.parametrize(("deed", "by"), [("removed", "Anna"), ("left", "Gil")])
def test_what_was_lent_to_somebody_who_goes_ends_with_a_line_of_its_own(
    cast: Cast, gil: Membership, deed: str, by: str
) -> None:
    lend(cast, cast.anna, gil)
    over, _ = lend(cast, cast.anna, gil)
    with scope(household=cast.anna.household):
        loan_end(loan=over, by=cast.anna.user)
    before = told(cast)
    with scope(household=cast.anna.household):
        end(deed, cast, gil)
    assert told(cast)[len(before) :] == [f"{by} ended the loan of Kitchen speaker to Gil."]


def test_whoever_becomes_an_owner_or_an_adult_still_lends_it(
    cast: Cast, dora: Membership, gil: Membership
) -> None:
    for lender in (dora, cast.anna):
        lend(cast, lender, gil)
    household_hand_over(member=dora, by=cast.anna)
    assert told(cast) == []


@pytest.mark.parametrize("deed", ["handed over", "made an adult"])
def test_an_owner_who_becomes_an_adult_invites_nobody_but_has_things_waiting_still(
    cast: Cast, dora: Membership, gil: Membership, deed: str
) -> None:
    _, token = lend(cast, cast.anna, None, "Fred")
    _, of_a_member = invitation_create(membership=cast.anna, role=Role.GUEST, name="Grace")
    if deed == "handed over":
        household_hand_over(member=dora, by=cast.anna)
    else:
        Membership.objects.filter(pk=dora.pk).update(role=Role.OWNER)
        role_change(member=cast.anna, role=Role.ADULT, by=dora)
    with scope(household=cast.anna.household):
        assert [loan.person for loan in loan_list(cast.kitchen)] == ["Fred"]
    with pytest.raises(Conflict, match="taken back"):
        invitation_accept(token=of_a_member, user=gil.user)
    fred = invitation_accept(token=token, user=User.objects.create_user("fred@example.org", name="Fred"))
    with scope(household=cast.anna.household):
        assert rights_of(fred, cast.kitchen) == {Permission.CALL}
    who = "Anna took back the invitation of Grace."
    if deed == "made an adult":
        who = "Dora took back the invitation of Grace, which Anna had made."
    assert told(cast) == [who]


def test_who_ends_it_reads_beforehand_what_it_is(
    client: Client, cast: Cast, dora: Membership, gil: Membership
) -> None:
    client.force_login(cast.anna.user)
    assert "lent to others" not in page(client, "people:member", dora.public_id)
    lend(cast, dora, gil)
    lend(cast, dora, None, "Fred")
    both = "Kitchen speaker to Gil, Kitchen speaker to Fred."
    text = page(client, "people:member", dora.public_id)
    assert f"What Dora lent to others ends, too: {both}" in text
    assert f"What Dora lent to others would end: {both}" in text
    assert "lent to others" not in page(client, "people:member", cast.ben.public_id)
    client.force_login(dora.user)
    assert f"What you lent to others ends, too: {both}" in page(client, "people:leave")


def test_nobody_lends_from_a_page_that_was_open_when_they_were_removed(
    cast: Cast, dora: Membership, gil: Membership
) -> None:
    open_page = Membership.objects.get(pk=dora.pk)
    role_change(member=dora, role=Role.CHILD, by=cast.anna)
    with pytest.raises(NotAllowed):
        lend(cast, open_page, gil)
    member_remove(member=dora, by=cast.anna)
    with pytest.raises(NotFound):
        lend(cast, open_page, gil)
    member_remove(member=gil, by=cast.anna)
    with pytest.raises(NotFound):
        lend(cast, cast.anna, gil)
    with scopes_disabled():
        assert not Loan.objects.exists()
