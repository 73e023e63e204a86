"""From a request or a token to a member, or a refusal."""

from uuid import UUID

from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from common.clock import now
from common.codes import secret_hash
from common.errors import NotAllowed, NotFound, NotSignedIn
from households.models import ApiToken, Household, Invitation, Membership, User
from households.roles import Permission, Role, allows
from protocol.errors import ErrorCode

SESSION_KEY = "household"  # in a session: the public id of the household that the person chose last


def need(membership: Membership, permission: Permission) -> None:
    """Raises NotAllowed when the member's role does not have the permission."""
    if not allows(membership.role, permission):
        raise role_refusal(membership)


def role_refusal(membership: Membership) -> NotAllowed:
    """What to say to a member whose role does not allow it, and who can change that."""
    role, home = Role(membership.role), membership.household
    if role is Role.GUEST:
        return NotAllowed(
            f"What is lent to you in {home} does not include that, or is not lent to you any more."
        )
    article = "an" if role is Role.ADULT else "a"
    return NotAllowed(f"As {article} {role.value} of {home} you may not do that. An owner can allow it.")


def members_hold(*members: Membership) -> None:
    """Reads them again: until the transaction ends nobody else changes who owns the household. Raises NotFound.

    NO KEY: rows that refer to the household, such as those of a call that begins or ends, need not wait for this.
    """
    Household.objects.select_for_update(no_key=True).get(pk=members[0].household.pk)
    for member in members:
        try:
            member.refresh_from_db()
        except Membership.DoesNotExist:
            raise NotFound("There is no such person here.") from None


def need_consent(membership: Membership) -> None:
    """Raises NotAllowed for a member who was not asked yet whether calls may be recorded. Reads the row."""
    if not Membership.objects.filter(pk=membership.pk, consented_at__isnull=False).exists():
        raise NotAllowed(
            "Calls of this home are recorded. Open the hub's page, press Call there and agree to that first.",
            code=ErrorCode.CONSENT_NEEDED,
        )


def member_of(request: HttpRequest) -> Membership:
    """The member that HouseholdMiddleware found. Raises NotSignedIn."""
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        raise NotSignedIn("Please sign in first.")
    return membership


def membership_in(user: User, household_id: UUID | str) -> Membership | None:
    """The member in this household and no other. None also for an id that is none."""
    try:
        sought = UUID(str(household_id))
    except ValueError:
        return None
    members = Membership.objects.select_related("user", "household")
    return members.filter(user=user, user__is_active=True, household__public_id=sought).first()


def household_choose(request: HttpRequest, membership: Membership) -> None:
    """From now on this session's pages belong to the household of `membership`.

    Forms on pages that other tabs still show belong to the household before: they are refused, and not done here.
    """
    before = membership_for_user(membership.user, request.session.get(SESSION_KEY))
    request.session[SESSION_KEY] = str(membership.household.public_id)
    if before != membership:
        rotate_token(request)


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


def access_member(*, membership: Membership, public_id: UUID | str, permission: Permission) -> Membership:
    """Somebody of the member's household. Raises NotFound, NotAllowed."""
    found = (
        Membership.objects.select_related("user", "household")
        .filter(household=membership.household, public_id=public_id)
        .first()
    )
    if found is None:
        raise NotFound("There is no such person here.")
    need(membership, permission)
    return found


def access_token(*, membership: Membership, public_id: UUID | str, is_revoked_too: bool = False) -> ApiToken:
    """One of the member's own. Raises NotFound."""
    found = ApiToken.objects.filter(membership=membership, public_id=public_id).first()
    if found is None or (found.revoked_at and not is_revoked_too):
        raise NotFound("There is no such token.")
    return found


def access_invitation(*, membership: Membership, public_id: UUID | str, permission: Permission) -> Invitation:
    """Raises NotFound, NotAllowed."""
    found = (
        Invitation.objects.select_related("household")
        .filter(household=membership.household, public_id=public_id)
        .first()
    )
    if found is None:
        raise NotFound("There is no such invitation.")
    need(membership, permission)
    return found
