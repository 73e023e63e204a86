"""A person's account: name, e-mail address, password."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from common.errors import Invalid
from common.names import name_need
from households.models import User

_TAKEN = "There is an account with this e-mail address. Sign in with it instead."


class AccountRefused(Invalid):
    """`fields`: what is wrong with which field of the form, in words."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = fields


def password_problems(*, name: str, email: str, password: str) -> dict[str, str]:
    """By field; empty when the password is good enough for this person."""
    try:
        validate_password(password, User(email=email.strip().lower(), name=name.strip()))
    except ValidationError as error:
        return {"password": " ".join(error.messages)}
    return {}


def account_create(*, name: str, email: str, password: str) -> User:
    """Raises AccountRefused for a weak password, or an address that somebody has."""
    name_need(name)
    problems = password_problems(name=name, email=email, password=password)
    if User.objects.filter(email=email.strip().lower()).exists():
        problems["email"] = _TAKEN
    if problems:
        raise AccountRefused(problems)
    try:
        with transaction.atomic():
            return User.objects.create_user(email.strip(), password, name=name.strip())
    except IntegrityError:  # somebody took the address a moment ago
        raise AccountRefused({"email": _TAKEN}) from None
