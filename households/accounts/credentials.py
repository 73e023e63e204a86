"""What lets somebody in for longer than one request: the session of a browser, or the API token of a program.

Whether it still does is for the rows to say, at any time.
"""

import hmac
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db.models import Q
from django_scopes import scope
from redis.exceptions import RedisError

from common.clock import now
from common.errors import NotSignedIn
from households.accounts.sessions import session_name
from households.models import ApiToken, Household, Membership, User
from households.record.audit import AuditKind, audit_list
from protocol.errors import ErrorCode

_NEW_PASSWORD = "The password of this account was changed."  # noqa: S105
_SESSION, _TOKEN = "session", "token"
_RENAMED_KNOWN_S = 300  # longer than a socket goes without a look
_JUST_NOW = timedelta(minutes=2)


@dataclass(frozen=True)
class Credential:
    """`key`: what the session is called in its table, or the public id of the token. Neither opens anything."""

    kind: str
    key: str

    @classmethod
    def of_session(cls, session_key: str) -> "Credential":
        return cls(_SESSION, session_name(session_key))

    @classmethod
    def of_token(cls, token: ApiToken) -> "Credential":
        return cls(_TOKEN, str(token.public_id))

    @classmethod
    def parse(cls, text: str) -> "Credential":
        """What str() made of one."""
        return cls(*text.split(":", 1)) if ":" in text else cls("", "")

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


def credential_rename(*, before: Credential, after: Credential) -> None:
    """The same session has another key: pages that are open were let in by the one before.

    While Redis is away they have to sign in anew; what renewed the session is done all the same.
    """
    with suppress(RedisError, OSError):
        cache.set(f"renamed:{before}", str(after), timeout=_RENAMED_KNOWN_S)


def credential_successor(credential: Credential) -> Credential | None:
    """What its session is called now, if that was renewed lately. Raises RedisError."""
    told = cache.get(f"renamed:{credential}")
    return Credential.parse(told) if told else None


def session_data(credential: Credential) -> dict[str, Any]:
    """What the row of the session holds now; empty where it has ended or expired, and for a token."""
    if credential.kind != _SESSION:
        return {}
    row = Session.objects.filter(session_key=credential.key, expire_date__gt=now()).first()
    data: dict[str, Any] = row.get_decoded() if row else {}
    return data


def credential_user(credential: Credential) -> User | None:
    """Whom it lets in now. None: nobody, any more."""
    if credential.kind == _TOKEN:
        row = _token(credential.key)
        return row.membership.user if row else None
    data = session_data(credential)
    user = User.objects.filter(pk=data.get(SESSION_KEY) or 0, is_active=True).first()
    return user if user and _fits(user, data.get(HASH_SESSION_KEY, "")) else None


def credential_membership(credential: Credential, household: Household, user: User) -> Membership:
    """As what `user` is in this household now. Raises NotSignedIn, which says why not."""
    if credential_user(credential) != user:
        raise NotSignedIn(_ending(credential, household, user))
    member = Membership.objects.select_related("user", "household").filter(user=user, household=household)
    if (found := member.first()) is None:
        raise NotSignedIn(_parting(household, user), code=ErrorCode.NOT_A_MEMBER)
    return found


def _ending(credential: Credential, household: Household, user: User) -> str:
    """How it came that it lets nobody in any more."""
    if credential.kind == _TOKEN:
        return "This API token was revoked."
    return _NEW_PASSWORD if _password_changed(credential, household, user) else "You were signed out."


def _password_changed(credential: Credential, household: Household, user: User) -> bool:
    """The session is of the password before, or ended with it just now: the record says so before that happens."""
    data, current = session_data(credential), User.objects.filter(pk=user.pk, is_active=True).first()
    if data and current:
        return not _fits(current, data.get(HASH_SESSION_KEY, ""))
    changes = (AuditKind.PASSWORD_CHANGED, AuditKind.PASSWORD_RESET)
    kinds = (*changes, AuditKind.SIGNED_IN, AuditKind.SESSION_ENDED)
    name = str(user)
    with scope(household=household):
        found = audit_list(household).filter(kind__in=kinds)
        own = found.filter(Q(details__actor=name) | Q(details__person=name))
        entry = own.filter(at__gt=now() - _JUST_NOW).first()
    return entry is not None and entry.kind in changes


def _parting(household: Household, user: User) -> str:
    """How it came that somebody does not belong to a household any more, where it was just now."""
    kinds = (AuditKind.REMOVED, AuditKind.LEFT)
    entry = audit_list(household).filter(kind__in=kinds, at__gt=now() - _JUST_NOW).first()
    if entry and entry.kind == AuditKind.REMOVED and entry.details.get("person") == str(user):
        return f"{entry.details.get('actor', 'Somebody')} removed you from {household.name}."
    return f"You do not belong to {household.name} any more."


def _token(public_id: str) -> ApiToken | None:
    tokens = ApiToken.objects.select_related("membership__user")
    return tokens.filter(public_id=UUID(public_id), revoked_at=None, membership__user__is_active=True).first()


def _fits(user: User, session_hash: str) -> bool:
    """Whether the session is as old as the password: Django's own rule for every request."""
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(hmac.compare_digest(session_hash.encode(), one.encode()) for one in hashes)
