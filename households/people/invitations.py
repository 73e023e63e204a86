"""Joining a household by a link. It works once, for seven days, and can be taken back."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django_scopes import scope

from common.clock import now
from common.codes import secret_hash, secret_make
from common.errors import Conflict, NotFound
from common.limits import limit_hit
from common.names import name_need
from common.words import moment_words
from households.access import members_hold, need
from households.accounts.services import account_create
from households.events import member_joined, rights_changed
from households.models import Household, Invitation, Membership, User
from households.record.audit import AuditKind, Note, audit_note, audit_notes
from households.roles import ROLE_NOUNS, Permission, Role, allows

LIFE = timedelta(days=7)
_SECRET_BYTES = 16  # 128 bit


def invitation_create(
    *,
    membership: Membership,
    role: Role,
    name: str = "",
    permission: Permission = Permission.PEOPLE_MANAGE,
    ends_at: datetime | None = None,
) -> tuple[Invitation, str]:
    """The row, and the secret of its link, which is shown once and never again. `ends_at`: it is worth nothing later.

    Raises TooMany, and NotFound or NotAllowed for somebody who may not invite any more.
    """
    name_need(name)
    limit_hit(f"invite:{membership.pk}", most=50, per_s=3600, message="Too many invitations.")
    token = secret_make(_SECRET_BYTES)
    with transaction.atomic():
        members_hold(membership)  # or a link could come just after invitations_void() looked
        need(membership, permission)
        invitation = Invitation.objects.create(
            household=membership.household,
            role=role,
            name=name.strip()[:80],
            permission=permission,
            token_hash=secret_hash(token),
            made_by=membership.user,
            expires_at=min(now() + LIFE, ends_at or datetime.max.replace(tzinfo=UTC)),
        )
        audit_note(
            membership.household,
            AuditKind.INVITED,
            actor=membership.user,
            person=_person(invitation),
            role=ROLE_NOUNS[role],
            until=moment_words(invitation.expires_at, membership.household.time_zone),
        )
    return invitation, token


def invitation_revoke(*, invitation: Invitation, by: User) -> None:
    """Raises Conflict when somebody came by it a moment ago."""
    with transaction.atomic():
        still_open = Invitation.objects.filter(pk=invitation.pk, used_at=None, revoked_at=None)
        if not still_open.update(revoked_at=now()):
            raise Conflict("This invitation is not open any more.")
        audit_notes(invitation.household, [_revocation(invitation, by)])


def invitations_void(*, household: Household, of: User, by: User, role: Role | None = None) -> list[Note]:
    """What somebody invited who may not invite any more opens nothing. Call it inside a transaction.

    `role`: what they are from now on; None: they belong to the household no more. What it answers is for whoever calls
    it to write, last.
    """
    invitations = invitations_hold(household=household, of=of)
    if role is not None:
        invitations = [each for each in invitations if not allows(role, Permission(each.permission))]
    return _close(invitations, by)


def invitations_end(*, keys: Iterable[int], by: User | None) -> list[Note]:
    """The same with these, where nobody came by them yet. `by` None: the hub itself."""
    return _close(_hold(Invitation.objects.filter(pk__in=keys)), by)


def invitations_hold(*, household: Household, of: User) -> list[Invitation]:
    """What somebody invited and nobody came by yet; until the transaction ends nobody does.

    Call it before the record is written: whoever comes by a link holds its row first, and the record after it.
    """
    return _hold(Invitation.objects.filter(household=household, made_by=of))


def invitation_find(*, token: str) -> Invitation:
    """Raises NotFound, and Conflict for one that was used, is too old, or was taken back."""
    invitation = (
        Invitation.objects.select_related("household", "made_by")
        .filter(token_hash=secret_hash(token.strip()))
        .first()
    )
    if invitation is None:
        raise NotFound("This invitation is not known. Ask for a new link.")
    if words := invitation_why_closed(invitation):
        raise Conflict(words)
    return invitation


def invitation_accept(*, token: str, user: User) -> Membership:
    """Whoever accepts agrees that calls are recorded. Raises what invitation_find raises, Conflict for a member."""
    with transaction.atomic():
        invitation, moment = invitation_find(token=token), now()
        still_open = Invitation.objects.filter(
            pk=invitation.pk, used_at=None, revoked_at=None, expires_at__gt=moment
        )
        if not still_open.update(used_at=moment, used_by=user):
            raise Conflict(_USED)
        membership = _join(invitation, user)
        with scope(household=invitation.household):
            member_joined.send(sender=Membership, membership=membership, invitation=invitation)
            rights_changed.send(sender=Membership, household=invitation.household, user=user)
        audit_note(
            invitation.household,
            AuditKind.JOINED,
            actor=user,
            role=ROLE_NOUNS[Role(membership.role)],
            inviter=invitation.made_by,
            person=invitation.name or None,
        )
        audit_note(invitation.household, AuditKind.CONSENTED, actor=user)
    return membership


def invitation_accept_new(*, token: str, name: str, email: str, password: str) -> Membership:
    """As somebody who had no account so far. Raises AccountRefused, and what invitation_accept raises."""
    with transaction.atomic():
        invitation_find(token=token)
        return invitation_accept(token=token, user=account_create(name=name, email=email, password=password))


_USED = "This invitation was used already. Each link works once."


def invitation_why_closed(invitation: Invitation) -> str:
    """In a sentence; "" for one that still lets somebody in."""
    if invitation.used_at:
        return _USED
    if invitation.revoked_at:
        return "This invitation was taken back."
    if invitation.expires_at <= now():
        return "This invitation is too old. Ask for a new link."
    return ""


def _join(invitation: Invitation, user: User) -> Membership:
    try:
        with transaction.atomic():
            return Membership.objects.create(
                user=user, household=invitation.household, role=invitation.role, consented_at=now()
            )
    except IntegrityError:
        raise Conflict(f"You belong to {invitation.household} already.") from None


def _hold(invitations: QuerySet[Invitation]) -> list[Invitation]:
    still_open = invitations.filter(used_at=None, revoked_at=None)
    return list(still_open.select_for_update().order_by("pk"))


def _close(invitations: list[Invitation], by: User | None) -> list[Note]:
    Invitation.objects.filter(pk__in=[invitation.pk for invitation in invitations]).update(revoked_at=now())
    return [_revocation(invitation, by) for invitation in invitations]


def _revocation(invitation: Invitation, by: User | None) -> Note:
    inviter = invitation.made_by if invitation.made_by != by else None
    details = {"actor": by, "person": _person(invitation), "inviter": inviter}
    return Note(AuditKind.INVITATION_REVOKED, details)


def _person(invitation: Invitation) -> str:
    return invitation.name or "somebody"
