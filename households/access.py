"""From a request or a token to a member, or a refusal."""

from django.http import HttpRequest

from common.clock import now
from common.codes import secret_hash
from common.errors import NotAllowed, NotSignedIn
from households.models import ApiToken, Membership, User
from households.roles import Permission, allows


def need(membership: Membership, permission: Permission) -> None:
    """Raises NotAllowed when the member's role does not have the permission."""
    if not allows(membership.role, permission):
        raise NotAllowed("Your role in this household does not allow that.")


def member_of(request: HttpRequest) -> Membership:
    """The member that HouseholdMiddleware found. Raises NotSignedIn."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        raise NotSignedIn("Please sign in first.")
    return membership


def membership_for_user(user: User, household_id: str | None = None) -> Membership | None:
    """The member in the chosen household, else in the first one joined."""
    memberships = Membership.objects.select_related("user", "household").filter(
        user=user, user__is_active=True
    )
    if household_id:
        chosen = memberships.filter(household__public_id=household_id).first()
        if chosen:
            return chosen
    return memberships.order_by("created_at").first()


def token_open(token: str) -> ApiToken:
    """The API token, of a person who may still come in with it. Raises NotSignedIn for a wrong or revoked one."""
    row = (
        ApiToken.objects.select_related("membership__user", "membership__household")
        .filter(token_hash=secret_hash(token), revoked_at=None, membership__user__is_active=True)
        .first()
    )
    if row is None:
        raise NotSignedIn("This API token is not valid. Make a new one on the settings page.")
    ApiToken.objects.filter(pk=row.pk).update(last_used_at=now())
    return row
