"""Where a person is signed in: allauth's table of sessions, with our names for them (households.accounts.sessions)."""

from collections.abc import Callable
from datetime import timedelta

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.usersessions.models import UserSession
from django.contrib.auth import login
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from common.clock import now
from common.errors import NotFound
from households.accounts.credentials import Credential, credential_rename
from households.accounts.sessions import session_name
from households.events import credential_renewed
from households.models import User

SEEN_EVERY = timedelta(minutes=1)
_USER_AGENT_LENGTH = 200


class SignInsMiddleware:
    """Keeps the list true: a session that it does not know yet is added, and one that is used was seen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(request.user, User) and request.session.session_key:
            sign_in_note(request, request.user)
        return response


def sign_in_note(request: HttpRequest, user: User) -> None:
    """Writes at most once a minute."""
    name, at = session_name(request.session.session_key or ""), now()
    known = UserSession.objects.filter(session_key=name, user=user, last_seen_at__gt=at - SEEN_EVERY)
    if known.exists():
        return
    UserSession.objects.update_or_create(
        session_key=name,
        defaults={
            "user": user,
            "ip": get_adapter().get_client_ip(request),
            "user_agent": request.headers.get("User-Agent", "")[:_USER_AGENT_LENGTH],
            "last_seen_at": at,
        },
    )


def sign_in_new(request: HttpRequest, user: User) -> None:
    """Of somebody who chose their password on the page before: that is as good as entering it."""
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    record_authentication(request, user, method="password")


def sign_in_renew(request: HttpRequest) -> None:
    """The same session under a new key: nobody is signed out, and a call of this browser goes on."""
    with transaction.atomic():
        former = Credential.of_session(request.session.session_key or "")
        request.session.cycle_key()
        request.session.save()  # before anybody looks whether the new key lets its person in
        name = Credential.of_session(request.session.session_key or "")
        UserSession.objects.filter(session_key=former.key).update(session_key=name.key)
        credential_rename(before=former, after=name)
        credential_renewed.send(sender=Session, before=former, after=name)


def sign_in_list(user: User) -> list[UserSession]:
    """Those that still let somebody in, the last used first. The others are forgotten."""
    rows = UserSession.objects.filter(user=user)
    alive = Session.objects.filter(expire_date__gt=now()).values("session_key")
    rows.exclude(session_key__in=alive).delete()
    return list(rows.order_by("-last_seen_at"))


def sign_in_is_this(row: UserSession, request: HttpRequest) -> bool:
    return bool(row.session_key == session_name(request.session.session_key or ""))


def sign_in_end(*, user: User, pk: int) -> UserSession:
    """Which it was. Raises NotFound for one that is not the person's own, or has ended."""
    row = UserSession.objects.filter(user=user, pk=pk).first()
    if row is None:
        raise NotFound("This browser was signed out already.")
    _end([row])
    return row


def sign_ins_end(*, user: User, but: HttpRequest | None = None) -> list[UserSession]:
    """All, or all but the one that asks. Which they were."""
    rows = [row for row in sign_in_list(user) if but is None or not sign_in_is_this(row, but)]
    _end(rows)
    return rows


def _end(rows: list[UserSession]) -> None:
    with transaction.atomic():
        for row in rows:
            # One by one, so that whoever listens to a session's end hears of each.
            for session in Session.objects.filter(session_key=row.session_key):
                session.delete()
            row.delete()
