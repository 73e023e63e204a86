"""Reactions to what allauth tells, one line each."""

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.signals import (
    authentication_step_completed,
    password_changed,
    password_reset,
    user_logged_in,
)
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
    authenticator_used,
)
from allauth.usersessions import signals as of_sessions
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest

from households.accounts import sign_in
from households.accounts.sign_ins import sign_in_list, sign_ins_end
from households.accounts.tries import try_was_right
from households.models import User

# allauth would write the keys of sessions themselves into its table: households.accounts.sign_ins does that instead.
user_logged_in.disconnect(of_sessions.on_user_logged_in)
password_changed.disconnect(of_sessions.on_password_changed)


@receiver(authentication_step_completed)
def on_step_completed(request: HttpRequest, **_: Any) -> None:
    try_was_right(request)


@receiver(user_logged_in)
def on_signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    sign_in_list(user)  # forgets those that ended
    steps = get_authentication_records(request, user)
    last = steps[-1].get("type", "") if steps else ""
    sign_in.signed_in(user, request.headers.get("User-Agent", ""), last)


@receiver(authenticator_used)
def on_factor_used(user: User, authenticator: Authenticator, reauthenticated: bool, **_: Any) -> None:
    if reauthenticated and authenticator.type == sign_in.RECOVERY_CODES:
        sign_in.recovery_code_used(user)


@receiver(authentication_failed)
def on_code_refused(user: User, **_: Any) -> None:
    sign_in.sign_in_refused(user.email)


@receiver(authenticator_added)
def on_factor_added(user: User, authenticator: Authenticator, **_: Any) -> None:
    sign_in.factor_added(user, authenticator)


@receiver(authenticator_reset)
def on_codes_renewed(user: User, **_: Any) -> None:
    sign_in.factor_changed(user, "new recovery codes")


@receiver(authenticator_removed)
def on_factor_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    sign_in.factor_removed(user, authenticator)


@receiver(password_changed)
def on_password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    sign_in.password_changed(user)  # first: whoever is signed out by it reads there why
    ended = sign_ins_end(user=user, but=request)
    messages.success(request, sign_in.password_words(user, "everywhere else" if ended else ""))


@receiver(password_reset)
def on_password_reset(request: HttpRequest, user: User, **_: Any) -> None:
    sign_in.password_reset(user)
    ended = sign_ins_end(user=user)
    if ended or user.tokens_ended:  # that it is saved, the page itself says
        messages.success(request, sign_in.password_words(user, "everywhere" if ended else ""))
