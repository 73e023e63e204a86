"""Who belongs to a household, and as what. Each deed holds all its parts in one transaction."""

from typing import Any

from django.db import transaction
from django_scopes import scope

from common.clock import now
from common.errors import Conflict, Invalid
from households.access import members_hold, need
from households.events import borrowing_ended, lending_ended, rights_changed
from households.models import Departure, Membership, User
from households.people.invitations import invitations_end, invitations_void
from households.record.audit import AuditKind, Note, audit_note, audit_notes
from households.roles import ROLE_NOUNS, Permission, Role, allows
from households.selectors import invitation_list, is_alone, why_not_closed


def consent_give(*, membership: Membership) -> None:
    """The member agrees that calls of this household are recorded. Once is enough."""
    with transaction.atomic():
        waiting = Membership.objects.filter(pk=membership.pk, consented_at=None)
        if waiting.update(consented_at=now()):
            audit_note(membership.household, AuditKind.CONSENTED, actor=membership.user)


def role_change(*, member: Membership, role: Role, by: Membership) -> None:
    """Raises Conflict for the last owner, NotFound, NotAllowed."""
    with transaction.atomic():
        members_hold(by, member)
        need(by, Permission.PEOPLE_MANAGE)
        if member.role == role:
            return
        if member.role == Role.OWNER and not _others(member, Role.OWNER):
            raise Conflict("A home needs an owner. Make somebody else an owner first.")
        old = ROLE_NOUNS[Role(member.role)]
        _role_set(member, role, by=by)
        audit_note(
            member.household,
            AuditKind.ROLE_CHANGED,
            actor=by.user,
            person=member.user,
            role=ROLE_NOUNS[role],
            old=old,
        )


def role_news_end(*, member: Membership, role: str) -> None:
    """They have read that they are this. What came since then they have not."""
    Membership.objects.filter(pk=member.pk, role=role).update(role_news="")


def member_remove(*, member: Membership, by: Membership) -> None:
    """At once, also in a call. Raises Conflict for oneself, NotFound, NotAllowed."""
    if member.pk == by.pk:
        raise Conflict("Nobody removes themselves. Leave the home instead.")
    with transaction.atomic():
        members_hold(by, member)
        need(by, Permission.PEOPLE_MANAGE)
        _part(member, by=by.user)
        audit_note(member.household, AuditKind.REMOVED, actor=by.user, person=member.user)


def member_leave(*, membership: Membership) -> None:
    """Whoever is alone there closes the household with it: nobody opens it any more.

    Raises Conflict for the only owner of others, and where the household cannot be left to nobody.
    """
    with transaction.atomic():
        members_hold(membership)
        notes = _way_in_close(membership) if is_alone(membership) else []
        if is_alone(membership):
            if words := why_not_closed(membership):
                raise Conflict(words)
        elif membership.role == Role.OWNER and not _others(membership, Role.OWNER):
            raise Conflict("You are the only owner. Hand the home over to somebody first.")
        _part(membership, by=membership.user)
        audit_notes(membership.household, notes)
        audit_note(membership.household, AuditKind.LEFT, actor=membership.user)


def household_hand_over(*, member: Membership, by: Membership) -> None:
    """An adult becomes the owner, and the owner an adult. Raises Invalid, NotFound, NotAllowed."""
    with transaction.atomic():
        members_hold(by, member)
        need(by, Permission.PEOPLE_MANAGE)
        if member.role != Role.ADULT:
            raise Invalid(f"A home is handed over to an adult. Make {member.user} an adult first.")
        _role_set(member, Role.OWNER, by=by)
        _role_set(by, Role.ADULT, by=by)
        audit_note(member.household, AuditKind.HANDED_OVER, actor=by.user, person=member.user)


def _others(member: Membership, role: Role) -> bool:
    others = Membership.objects.filter(household=member.household, role=role, user__is_active=True)
    return others.exclude(pk=member.pk).exists()


def _way_in_close(member: Membership) -> list[Note]:
    """Whoever comes by an invitation just now has come when this is done, and nobody does later."""
    still_open = invitation_list(member.household).values_list("pk", flat=True)
    return invitations_end(keys=still_open, by=member.user)


def _role_set(member: Membership, role: Role, *, by: Membership) -> None:
    notes: list[Note] = []
    news = "" if by.pk == member.pk else str(by.user)[:80]
    Membership.objects.filter(pk=member.pk).update(role=role, role_news=news, updated_at=now())
    if not allows(role, Permission.LEND):
        notes += _lending_end(member, by=by.user)
    notes += invitations_void(household=member.household, of=member.user, by=by.user, role=role)
    rights_changed.send(sender=Membership, household=member.household, user=member.user)
    audit_notes(member.household, notes)


def _part(member: Membership, *, by: User) -> None:
    """API tokens, loans and places in rules go with the membership, and so does what they lent to others."""
    household = member.household
    notes = _lending_end(member, by=by)
    notes += _said(borrowing_ended.send(sender=Membership, membership=member, by=by))
    Departure.objects.create(
        user=member.user, household_name=household.name, is_removal=by.pk != member.user.pk
    )
    notes += invitations_void(household=household, of=member.user, by=by)
    with scope(household=household):  # without it the loans of before are out of sight, and would not go
        Membership.objects.filter(pk=member.pk).delete()
    rights_changed.send(sender=Membership, household=household, user=member.user)
    audit_notes(household, notes)


def _lending_end(member: Membership, *, by: User) -> list[Note]:
    """Returns what the record is to say of it, once everything else is done."""
    person = {"household": member.household, "user": member.user, "by": by}
    return _said(lending_ended.send(sender=Membership, **person))


def _said(answers: list[tuple[Any, Any]]) -> list[Note]:
    return [note for _, notes in answers for note in notes]
