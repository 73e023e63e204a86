"""allauth's hooks."""

import base64
import time
from typing import Any, Final

import structlog
from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from common.address import addresses
from common.encryption import decrypt, encrypt
from common.errors import TooMany
from households.accounts.sign_in import password_asked, sign_in_refused
from households.accounts.tries import TOO_MANY_OF_ACCOUNT, account_take, account_try
from households.models import User
from households.services import owner_exists

_PURPOSE: Final = "second factors"


log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Nobody signs up alone: the first owner comes through the set-up page, everybody else is invited."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": TOO_MANY_OF_ACCOUNT,
        "email_password_mismatch": "This e-mail address and this password do not belong together.",
        "enter_current_password": "This is not your password.",
        "incorrect_password": "This is not your password.",
        "incorrect_code": "This code is not right.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> Any:
        return super().get_login_redirect_url(request) if owner_exists() else "/setup/"

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("households:account")

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not of somebody who signed in a moment ago: they have just shown who they are."""
        steps = get_authentication_records(context.request, context.request.user)
        if steps and time.time() - steps[-1]["at"] < app_settings.REAUTHENTICATION_TIMEOUT:
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def get_client_ip(self, request: HttpRequest) -> str:
        """As config.edge found it. allauth would look into headers."""
        return str(request.META.get("REMOTE_ADDR") or "127.0.0.1")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Counts before it looks. Raises ValidationError after too many, Unavailable while nothing can be counted."""
        login = str(credentials.get("email") or credentials.get("username") or "")
        counted = account_try(request, login)
        user = super().authenticate(request, **credentials)
        if user is None:
            sign_in_refused(login, is_last=counted.fail())
        else:
            counted.give_back()
        return user

    def get_reset_password_from_key_url(self, key: str) -> str:
        """At an address of this hub for other computers, too; not at the name under which it was asked.

        Whoever asks chooses that name, and the one who opens the link would hand them the key.
        """
        uidb36, _, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uidb36, "key": token})
        return f"{addresses()[-1]}{path}"

    def send_password_reset_mail(self, user: Any, email: str, context: dict[str, Any]) -> None:
        """Silent after too many: the page says the same for every address."""
        try:
            account_take(email, purpose="reset")
        except TooMany:
            return
        if not settings.HAS_WINDOW:
            # What is said now is kept as a log, by systemd or Docker; the link would let its readers in.
            log.warning("Somebody asked for a new password.", email=email, command="manage.py password_link")
            return
        super().send_password_reset_mail(user, email, context)
        password_asked(user)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """What a code is made of lies encrypted in the table, under a key of the hub."""

    error_messages = DefaultMFAAdapter.error_messages | {"incorrect_code": "This code is not right."}

    def encrypt(self, text: str) -> str:
        return base64.b64encode(encrypt(text.encode(), purpose=_PURPOSE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(base64.b64decode(encrypted_text), purpose=_PURPOSE).decode()

    def generate_authenticator_name(self, user: User, type: Any) -> str:  # noqa: A002 - allauth's name for it
        return "My passkey"

    def get_totp_issuer(self) -> str:
        return "Hearthline"

    def _get_site_name(self) -> str:
        return "Hearthline"
