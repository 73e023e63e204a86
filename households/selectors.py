"""Reads."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from common.clock import now
from common.names import name_apart
from common.words import and_words
from households.events import held_sought, lent_sought
from households.models import ApiToken, Departure, Household, Invitation, Membership, User
from households.roles import ROLE_NOUNS, ROLE_YOURS, Permission, Role, allows


def api_token_list(membership: Membership) -> QuerySet[ApiToken]:
    """The member's tokens that still work, newest first."""
    return ApiToken.objects.filter(membership=membership, revoked_at=None).order_by("-created_at")


def member_list(membership: Membership) -> QuerySet[Membership]:
    """Everybody in the member's household."""
    return (
        Membership.objects.filter(household=membership.household)
        .select_related("user")
        .order_by("created_at")
    )


def membership_list(user: User) -> QuerySet[Membership]:
    """The households that this person belongs to, by name."""
    rows = Membership.objects.select_related("household", "user").filter(user=user)
    return rows.order_by("household__name", "pk")


def home_name(household: Household, homes: Iterable[Membership]) -> str:
    """Where somebody chooses among `homes`: with its owners, if another of these is called the same."""
    name = household.name
    others = (home.household for home in homes if home.household_id != household.pk)
    if all(other.name.casefold() != name.casefold() for other in others):
        return name
    owners = User.objects.filter(memberships__household=household, memberships__role=Role.OWNER)
    names = [name_apart(owner.name) for owner in owners.order_by("name")]
    return f"{name_apart(name)} ({and_words(names)})"


def role_news(membership: Membership, homes: Iterable[Membership] = ()) -> list[str]:
    """That somebody else gave them their role, and what that means, in two sentences, until they have read it."""
    if not membership.role_news:
        return []
    role, home = Role(membership.role), home_name(membership.household, homes)
    return [f"{name_apart(membership.role_news)} made you {ROLE_NOUNS[role]} in {home}.", ROLE_YOURS[role]]


def memberships_with(user: User, permission: Permission) -> list[Membership]:
    """In those of this person's households in which they may do it, by name."""
    return [row for row in membership_list(user) if allows(row.role, permission)]


def invitation_list(household: Household) -> QuerySet[Invitation]:
    """Those that still let somebody in, newest first."""
    return (
        Invitation.objects.filter(household=household, used_at=None, revoked_at=None, expires_at__gt=now())
        .select_related("made_by")
        .order_by("-created_at")
    )


def household_list() -> QuerySet[Household]:
    """Those in which somebody is, oldest first; the others are closed."""
    return Household.objects.filter(Exists(Membership.objects.filter(household=OuterRef("pk")))).order_by(
        "pk"
    )


def is_alone(membership: Membership) -> bool:
    return not Membership.objects.filter(household=membership.household).exclude(pk=membership.pk).exists()


def why_not_closed(membership: Membership) -> str:
    """Why somebody who is alone there cannot leave the household to nobody, in a sentence; "" where they can."""
    answers: list[tuple[Any, Any]] = held_sought.send(sender=Membership, membership=membership)
    if held := [words for _, found in answers for words in found]:
        return (
            f"You are the only person in {membership.household}, and this is still here: {and_words(held)}."
        )
    if not Membership.objects.filter(user=membership.user).exclude(pk=membership.pk).exists():
        return (
            f"You are the only person in {membership.household}, and it is the only home that you have here."
        )
    return ""


def lent_by(membership: Membership) -> list[str]:
    """What the member has lent to others, in words. It ends with them, or with their role."""
    answers: list[tuple[Any, Any]] = lent_sought.send(sender=Membership, membership=membership)
    return [words for _, found in answers for words in found]


def departure_last(user: User) -> Departure | None:
    """The household that this person was in before, where it ended."""
    return Departure.objects.filter(user=user).order_by("-created_at").first()
