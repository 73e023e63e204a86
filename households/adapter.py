"""allauth's hooks."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from households.services import owner_exists


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Nobody signs up alone: the first owner comes through the set-up page, everybody else is invited."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": "Too many wrong tries. Wait five minutes, then try again.",
        "email_password_mismatch": "This e-mail address and this password do not belong together.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> Any:
        return super().get_login_redirect_url(request) if owner_exists() else "/setup/"
