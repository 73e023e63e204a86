"""Reads."""

from django.db.models import QuerySet

from households.models import ApiToken, Membership


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
