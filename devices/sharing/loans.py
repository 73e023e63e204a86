"""Lending a device to one person for a time. What the loan gives is in devices.sharing.rights."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django_scopes import scope

from common.clock import now
from common.errors import Conflict, Invalid
from common.words import and_words, moment_words
from devices.events import loan_use_sought
from devices.models import Device, Loan
from devices.sharing.rights import LENT_BY, right_refusal, rights_own
from devices.sharing.rules import RIGHT_WORDS
from households.access import members_hold, need
from households.events import rights_changed
from households.models import Household, Invitation, Membership, User
from households.people.invitations import (
    invitation_create,
    invitation_revoke,
    invitations_end,
    invitations_hold,
)
from households.record.audit import AuditKind, Note, audit_note
from households.roles import Permission, Role

LONGEST = timedelta(days=366)


def loan_create(
    *,
    membership: Membership,
    device: Device,
    rights: set[Permission],
    starts_at: datetime,
    ends_at: datetime,
    to: Membership | None,
    name: str = "",
) -> tuple[Loan, str]:
    """`to` None: to whom an invitation brings; its secret is returned, which is shown once and never again.

    Nobody lends what they may not do themselves: a rule of an owner would be worth nothing. Raises NotAllowed, Invalid,
    and NotFound for somebody who was removed meanwhile.
    """
    with transaction.atomic():
        # Or a loan could come just after loans_end_of() looked.
        members_hold(membership, *([to] if to else []))
        # And before the record, which the invitation is written to first: as whoever changes its key does.
        list(Device.objects.select_for_update(no_key=True).filter(pk=device.pk))
        need(membership, Permission.LEND)
        _check(membership, device, rights, starts_at, ends_at)
        invitation, token = (None, "") if to else _invite(membership, name, ends_at)
        loan = Loan.objects.create(
            household=membership.household,
            device=device,
            member=to,
            invitation=invitation,
            starts_at=starts_at,
            ends_at=ends_at,
            lent_by=membership.user,
            **{LENT_BY[right]: True for right in rights},
        )
        if to is not None:
            rights_changed.send(sender=Loan, household=membership.household, user=to.user)
        words = {"scope": _scope_words(rights), "period": _period_words(loan)}
        details = {"actor": membership.user, "device": device, "person": loan.person}
        audit_note(membership.household, AuditKind.LENT, **details, **words)
    return loan, token


def loan_end(*, loan: Loan, by: User) -> None:
    """Before its time, also in a call. Raises Conflict when it is over already."""
    with transaction.atomic():
        if loan.member is None and loan.invitation_id:
            # Whoever comes by the link at this moment holds its row first, too.
            Invitation.objects.select_for_update().filter(pk=loan.invitation_id).first()
        running = Loan.objects.filter(pk=loan.pk, ended_at=None, ends_at__gt=now())
        if not running.update(ended_at=now()):
            raise Conflict("This is not lent any more.")
        if loan.member is not None:
            rights_changed.send(sender=Loan, household=loan.household, user=loan.member.user)
        elif loan.invitation is not None:
            invitation_revoke(invitation=loan.invitation, by=by)
        audit_note(loan.household, AuditKind.LOAN_ENDED, actor=by, **_end_details(loan))


def loans_end_of(*, household: Household, lender: User, by: User) -> list[Note]:
    """Whoever may lend nothing any more has nothing lent, also in a call. Call it inside a transaction.

    What it answers is for whoever calls it to write, last: whoever ends one of these loans holds its row first, and the
    record after it. Links to what waits for somebody are for whoever calls this to take back (invitations_void).
    """
    with scope(household=household):
        invitations_hold(household=household, of=lender)  # nobody comes by one of them meanwhile
        lent = _alive(Loan.objects.filter(household=household, lent_by=lender))
        loans = list(lent.select_for_update(of=("self",)).order_by("pk"))
        Loan.objects.filter(pk__in=[loan.pk for loan in loans]).update(ended_at=now())
        for user in {loan.member.user for loan in loans if loan.member}:
            rights_changed.send(sender=Loan, household=household, user=user)
        return [
            Note(AuditKind.LOAN_ENDED, {"actor": by, "lender": lender, **_end_details(loan)})
            for loan in loans
        ]


def loans_end_to(*, member: Membership, by: User) -> list[Note]:
    """Whoever goes has nothing any more that was lent to them. Called and answered as above."""
    with scope(household=member.household):
        lent = _alive(Loan.objects.filter(member=member))
        loans = list(lent.select_for_update(of=("self",)).order_by("pk"))
        Loan.objects.filter(pk__in=[loan.pk for loan in loans]).update(ended_at=now())
        return [Note(AuditKind.LOAN_ENDED, {"actor": by, **_end_details(loan)}) for loan in loans]


def loans_end_with(*, device: Device, by: User | None, at: datetime) -> list[Note]:
    """The device leaves its home: nothing of it is lent any more, and links that wait for somebody open nothing.

    Call it inside a transaction. What it answers is to be written last, as above. `by` None: the hub did it.
    """
    lent = _alive(Loan.objects.filter(device=device))
    waiting = list(lent.filter(member=None).values_list("invitation_id", flat=True))
    # Whoever comes by one of these at this moment holds its row first, too.
    list(Invitation.objects.select_for_update().filter(pk__in=waiting).order_by("pk"))
    loans = list(lent.select_for_update(of=("self",)).order_by("pk"))
    Loan.objects.filter(pk__in=[loan.pk for loan in loans]).update(ended_at=at)
    closed = invitations_end(keys=waiting, by=by)
    return [*(Note(AuditKind.LOAN_ENDED, {"actor": by, **_end_details(loan)}) for loan in loans), *closed]


def loans_keep(*, old: Device, device: Device) -> None:
    """It was reset and added again, and what was lent is lent still: also what begins later, or waits for somebody."""
    _running(Loan.objects.filter(device=old)).update(device=device)


def loans_lent(membership: Membership) -> list[str]:
    """What the member has lent to others, in words."""
    loans = Loan.objects.filter(household=membership.household, lent_by=membership.user)
    return [f"{loan.device} to {loan.person}" for loan in _alive(loans).order_by("ends_at")]


def loans_with(invitation: Invitation) -> list[Loan]:
    """What waits for whoever comes by the invitation. Needs no scope."""
    with scope(household=invitation.household):
        return list(_alive(Loan.objects.filter(invitation=invitation)).order_by("ends_at"))


def loan_take(*, membership: Membership, invitation: Invitation) -> None:
    """Whoever came by the invitation has what was lent with it."""
    Loan.objects.filter(invitation=invitation, member=None).update(member=membership)


def loan_list(device: Device) -> QuerySet[Loan]:
    """What is lent, or will be: the next to end first."""
    return _alive(Loan.objects.filter(device=device)).order_by("ends_at")


def loan_use(loan: Loan) -> str:
    """What its person does with it just now that ends at once when it is ended, in a sentence; "" for nothing."""
    answers = loan_use_sought.send(sender=Loan, loan=loan) if loan.member is not None else []
    return next((words for _, words in answers if words), "")


def _alive(loans: QuerySet[Loan]) -> QuerySet[Loan]:
    """Those that give somebody something, now or later."""
    waiting = Q(member=None, invitation__revoked_at=None, invitation__expires_at__gt=now())
    alive = _running(loans).filter(waiting | Q(member__isnull=False), device__revoked_at=None)
    return alive.select_related("member__user", "invitation", "device")


def _running(loans: QuerySet[Loan]) -> QuerySet[Loan]:
    """Those that nobody ended, and whose time is not over."""
    return loans.filter(ended_at=None, ends_at__gt=now())


def _check(
    membership: Membership, device: Device, rights: set[Permission], starts_at: datetime, ends_at: datetime
) -> None:
    if not rights:
        raise Invalid("Choose what they may do.")
    if ends_at <= max(starts_at, now()):
        raise Invalid("Choose an end that is still to come, after the beginning.")
    if ends_at - now() > LONGEST:
        raise Invalid("Nothing is lent for longer than a year.")
    own = rights_own(membership, device)
    if missing := next((right for right in LENT_BY if right in rights and right not in own), None):
        raise right_refusal(device, missing)


def _invite(membership: Membership, name: str, ends_at: datetime) -> tuple[Invitation, str]:
    """A link that is worth nothing once the loan is over."""
    return invitation_create(
        membership=membership, role=Role.GUEST, name=name, permission=Permission.LEND, ends_at=ends_at
    )


def _scope_words(rights: set[Permission]) -> str:
    """For the record, before "it"."""
    return and_words([RIGHT_WORDS[right] for right in LENT_BY if right in rights])


def _period_words(loan: Loan) -> str:
    begin, end = (moment_words(at, loan.household.time_zone) for at in (loan.starts_at, loan.ends_at))
    return f"from {begin} until {end}" if loan.is_to_come else f"until {end}"


def _end_details(loan: Loan) -> dict[str, object]:
    until = moment_words(loan.ends_at, loan.household.time_zone)
    return {"device": loan.device, "person": loan.person, "until": until}
