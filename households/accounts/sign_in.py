"""What signing in, and changing how one does, leaves in the record of each household of the person."""

from typing import Final

from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.tokens import default_token_generator
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from redis.exceptions import RedisError

from common.errors import Conflict
from common.names import name_need
from common.templatetags.ui import browser_parts
from households.accounts.sign_ins import sign_in_end, sign_ins_end
from households.accounts.tries import account_tries_forget, first_in_a_while
from households.models import Household, User
from households.record.audit import AuditKind, audit_note

PASSKEY: Final = Authenticator.Type.WEBAUTHN
APP: Final = Authenticator.Type.TOTP
RECOVERY_CODES: Final = Authenticator.Type.RECOVERY_CODES
ADDRESS_TAKEN: Final = "This address cannot be used here."
_WORDS: Final = {
    APP: "an authenticator app",
    RECOVERY_CODES: "recovery codes",
}
_WAYS: Final = {PASSKEY: "a passkey", RECOVERY_CODES: "a recovery code"}


def households_note(user: User, kind: AuditKind, **details: object) -> None:
    """In every household of the person."""
    with transaction.atomic():
        for household in Household.objects.filter(memberships__user=user).order_by("pk"):
            audit_note(household, kind, **details)


def signed_in(user: User, user_agent: str, step: str = "") -> None:
    """`step`: the kind of authenticator that let them in last; "" for the password."""
    way = _WAYS.get(step)
    households_note(user, AuditKind.SIGNED_IN, actor=user, way=way, **_browser_names(user_agent))


def recovery_code_used(user: User) -> None:
    """By somebody who is signed in, and was asked once more who they are."""
    households_note(user, AuditKind.RECOVERY_CODE_USED, actor=user)


def browser_sign_out(*, user: User, pk: int) -> None:
    """By the person, from another browser. Raises NotFound for one that is not their own, or has ended."""
    with transaction.atomic():
        _signed_out(user, [sign_in_end(user=user, pk=pk)])


def browsers_sign_out(*, user: User, but: HttpRequest) -> None:
    """By the person, all but the one that asks."""
    with transaction.atomic():
        _signed_out(user, sign_ins_end(user=user, but=but))


def _signed_out(user: User, ended: list[UserSession]) -> None:
    for row in ended:
        households_note(user, AuditKind.SESSION_ENDED, actor=user, **_browser_names(row.user_agent))


def _browser_names(user_agent: str) -> dict[str, str | None]:
    browser, system = browser_parts(user_agent)
    return {"browser": browser or None, "system": system or None}


def sign_in_refused(login: str, *, is_last: bool = False) -> None:
    """Once in five minutes for each account, so that a guesser cannot fill the record; and when no more is taken."""
    kind = AuditKind.SIGN_IN_STOPPED if is_last else AuditKind.SIGN_IN_REFUSED
    user = User.objects.filter(email=login.strip().lower()).first()
    try:
        is_news = user is not None and first_in_a_while(kind, user)
    except RedisError:
        return
    if user is not None and is_news:
        households_note(user, kind, person=user)


def factor_changed(user: User, what: str) -> None:
    households_note(user, AuditKind.SECOND_FACTOR_CHANGED, what=what, person=user, actor=user)


def factor_added(user: User, authenticator: Authenticator) -> None:
    factor_changed(user, f"{_factor_words(authenticator)} added")


def factor_removed(user: User, authenticator: Authenticator) -> None:
    factor_changed(user, f"{_factor_words(authenticator)} removed")


def _factor_words(authenticator: Authenticator) -> str:
    if authenticator.type == PASSKEY:
        return f"the passkey {authenticator.wrap().name}"
    return _WORDS.get(authenticator.type, "something")


def passkey_renamed(user: User, *, old: str, new: str) -> None:
    if old != new:
        households_note(user, AuditKind.PASSKEY_RENAMED, actor=user, old=old, new=new)


def password_changed(user: User) -> None:
    households_note(user, AuditKind.PASSWORD_CHANGED, actor=user)


def password_reset(user: User) -> None:
    """Whoever has the link, has it from whoever runs the hub: there is no mail."""
    households_note(user, AuditKind.PASSWORD_RESET, person=user)


def password_asked(user: User) -> None:
    """Once in five minutes: anybody may ask, and must not fill the record."""
    if first_in_a_while(AuditKind.PASSWORD_ASKED, user):
        households_note(user, AuditKind.PASSWORD_ASKED, person=user)


def password_words(user: User, signed_out: str) -> str:
    """What ended with the old password. `signed_out`: where; "" where there was no other sign-in."""
    ended = [f"You are signed out {signed_out}."] if signed_out else []
    if user.tokens_ended == 1:
        ended.append("Your API token stopped working: the program that uses it needs a new one.")
    elif user.tokens_ended:
        ended.append(
            f"Your {user.tokens_ended} API tokens stopped working: the programs that use them need new ones."
        )
    return " ".join(["Your password is changed.", *ended])


def email_change(*, user: User, email: str) -> None:
    """The new address signs in from now on; a link for a new password that was sent to the old one is dead.

    Raises Conflict for one that somebody else took a moment ago.
    """
    before, user.email = user.email, email.strip().lower()
    try:
        with transaction.atomic():
            user.save(update_fields=["email", "updated_at"])
            # Of earlier versions: allauth signs people in with each of them.
            EmailAddress.objects.filter(user=user).delete()
            factor_changed(user, "another e-mail address")
    except IntegrityError:
        user.email = before
        raise Conflict(ADDRESS_TAKEN) from None


def name_change(*, user: User, name: str) -> None:
    """Entries of before keep the name of before, so the record says who that is now."""
    name_need(name)
    before, user.name = user.name, name.strip()
    with transaction.atomic():
        user.save(update_fields=["name", "updated_at"])
        if before != user.name:
            households_note(user, AuditKind.NAME_CHANGED, actor=before, person=user.name)


def second_factor_remove(user: User) -> int:
    """By whoever runs the hub, for somebody who lost it. Ends all sessions. How many parts it had.

    Their wrong tries are forgotten: they are let in at once.
    """
    with transaction.atomic():
        count: int = Authenticator.objects.filter(user=user).exclude(type=RECOVERY_CODES).count()
        Authenticator.objects.filter(user=user).delete()
        sign_ins_end(user=user)
        if count:
            households_note(user, AuditKind.SECOND_FACTOR_REMOVED, person=user)
    account_tries_forget(user)
    return count


def password_link_make(user: User) -> str:
    """By whoever runs the hub: the path of the link, and a line in the record that says so."""
    households_note(user, AuditKind.PASSWORD_LINK_MADE, person=user)
    return password_link_path(user)


def password_link_path(user: User) -> str:
    """Where the person chooses a new password, without the old one. Works once."""
    token = default_token_generator.make_token(user)
    return reverse(
        "account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": token}
    )
