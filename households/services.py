"""Writes: the first owner, households, API tokens."""

from zoneinfo import available_timezones

from django.conf import settings
from django.db import transaction

from common.clock import now
from common.codes import secret_hash, secret_make
from common.errors import Conflict, Invalid, NotAllowed, NotFound
from common.limits import limit_hit
from common.names import name_apart, name_need
from households.access import members_hold, need
from households.accounts.services import AccountRefused, password_problems
from households.events import credential_ended
from households.models import ApiToken, Household, Language, Membership, SetupToken, User
from households.record.audit import AuditKind, audit_note
from households.roles import ROLE_NOUNS, Permission, Role
from households.selectors import household_list


def owner_exists() -> bool:
    return User.objects.filter(is_active=True).exists()


def hub_zone() -> str:
    """That of the first home, for who has none."""
    return household_list().values_list("time_zone", flat=True).first() or settings.TIME_ZONE


def setup_token_make() -> str | None:
    """A new set-up token for the console; the one before stops working. None once an owner exists."""
    if owner_exists():
        return None
    token = secret_make(16)
    with transaction.atomic():
        SetupToken.objects.all().delete()
        SetupToken.objects.create(token_hash=secret_hash(token))
    return token


class SetupRefused(AccountRefused):
    """Of the set-up form."""


def setup_problems(*, token: str, name: str, email: str, password: str) -> dict[str, str]:
    """By field, what only the hub can tell of the first visit: empty when all is well. Raises TooMany."""
    limit_hit("setup", most=20, per_s=300, message="Too many tries.")
    problems = {}
    if not SetupToken.objects.filter(token_hash=secret_hash(token.strip()), used_at=None).exists():
        words = "The set-up token is not right."
        problems["token"] = words
    return problems | password_problems(name=name, email=email, password=password)


def owner_create(
    *,
    token: str,
    name: str,
    email: str,
    password: str,
    household_name: str,
    time_zone: str,
    language: str = "en",
) -> Membership:
    """The first visit, of somebody who agreed that calls are recorded.

    Raises SetupRefused for a wrong token or a weak password, Conflict when an owner exists.
    """
    if time_zone not in available_timezones():
        raise Invalid("This time zone is not known.")
    name_need(name)
    name_need(household_name)
    if problems := setup_problems(token=token, name=name, email=email, password=password):
        raise SetupRefused(problems)
    user = User(email=email.strip().lower(), name=name.strip())
    with transaction.atomic():
        setup = SetupToken.objects.select_for_update().filter(token_hash=secret_hash(token.strip())).first()
        if owner_exists():
            raise Conflict("This hub already has an owner. Sign in instead.")
        if setup is None or setup.used_at:
            raise NotAllowed("The set-up token was used a moment ago.")
        SetupToken.objects.filter(pk=setup.pk).update(used_at=now())
        user.set_password(password)
        user.save()
        return household_create(user=user, name=household_name, time_zone=time_zone, language=language)


def household_create(*, user: User, name: str, time_zone: str, language: str) -> Membership:
    """A home of which `user` is the owner, and where they agreed that calls are recorded. Raises Invalid, Conflict."""
    if time_zone not in available_timezones():
        raise Invalid("This time zone is not known.")
    name_need(name)
    _name_need_free(user, name)
    with transaction.atomic():
        household = Household.objects.create(
            name=name.strip(), time_zone=time_zone, language=Language(language)
        )
        membership = Membership.objects.create(
            user=user, household=household, role=Role.OWNER, consented_at=now()
        )
        audit_note(household, AuditKind.JOINED, actor=user, role=ROLE_NOUNS[Role.OWNER])
        audit_note(household, AuditKind.CONSENTED, actor=user)
    return membership


def _name_need_free(user: User, name: str) -> None:
    """Two homes of one person are told apart by their names alone. Raises Conflict."""
    if Household.objects.filter(memberships__user=user, name__iexact=name.strip()).exists():
        raise Conflict(
            f"You have a home with the name {name_apart(name.strip())} already. Choose another name."
        )


def api_token_create(*, membership: Membership, name: str) -> tuple[ApiToken, str]:
    """The row and the token itself, which is shown once and never again. Raises NotFound, NotAllowed."""
    name_need(name)
    token = f"hl_{secret_make(32)}"
    with transaction.atomic():
        members_hold(membership)  # somebody may be removing them just now
        need(membership, Permission.TOKENS_MAKE)
        row = ApiToken.objects.create(
            membership=membership, name=name.strip()[:80] or "Token", token_hash=secret_hash(token)
        )
        audit_note(membership.household, AuditKind.TOKEN_MADE, actor=membership.user, token=row.name)
    return row, token


def api_token_revoke(*, membership: Membership, public_id: str) -> None:
    """Raises NotFound for a token that is not the member's own."""
    with transaction.atomic():
        row = ApiToken.objects.filter(membership=membership, public_id=public_id, revoked_at=None).first()
        if row is None or not ApiToken.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=now()):
            raise NotFound("There is no such token.")
        credential_ended.send(sender=ApiToken, user=membership.user)
        audit_note(membership.household, AuditKind.TOKEN_REVOKED, actor=membership.user, token=row.name)


def api_tokens_end(*, user: User) -> int:
    """In every household of the person: whoever knew the old password may have made one with it. How many."""
    with transaction.atomic():
        found = ApiToken.objects.filter(membership__user=user, revoked_at=None)
        rows = list(found.select_related("membership__household").select_for_update(of=("self",)))
        if not rows:
            return 0
        ApiToken.objects.filter(pk__in=[row.pk for row in rows]).update(revoked_at=now())
        credential_ended.send(sender=ApiToken, user=user)
        names: dict[Household, list[str]] = {}
        for row in sorted(rows, key=lambda row: row.membership.household_id):
            names.setdefault(row.membership.household, []).append(row.name)
        for household, tokens in names.items():
            audit_note(household, AuditKind.TOKENS_ENDED, person=user, tokens=", ".join(sorted(tokens)))
    return len(rows)


def household_update(
    *, household: Household, by: User, name: str, time_zone: str, language: str, hides_addresses: bool
) -> Household:
    """Raises Invalid, and Conflict where another home of `by` has the name."""
    if time_zone not in available_timezones():
        raise Invalid("This time zone is not known.")
    name_need(name)
    with transaction.atomic():
        before = Household.objects.select_for_update(no_key=True).get(pk=household.pk)
        if name.strip().lower() != before.name.lower():
            _name_need_free(by, name)
        household.name, household.time_zone, household.language = name.strip(), time_zone, Language(language)
        household.hides_addresses = hides_addresses
        household.save(update_fields=["name", "time_zone", "language", "hides_addresses", "updated_at"])
        if what := _changes(before, household):
            audit_note(household, AuditKind.HOUSEHOLD_CHANGED, actor=by, what=", ".join(what))
    return household


def _changes(before: Household, after: Household) -> list[str]:
    """For the record, what of it is another now."""
    pairs = {
        "the name": (before.name, after.name),
        "the time zone": (before.time_zone, after.time_zone),
        "the language": (Language(before.language).label, Language(after.language).label),
    }
    found = [f"{what} is now {new} (before: {old})" for what, (old, new) in pairs.items() if old != new]
    if before.hides_addresses != after.hides_addresses:
        found.append(f"network addresses are {'now hidden' if after.hides_addresses else 'no longer hidden'}")
    return found
