"""Whom a command is about."""

from django.core.management.base import CommandError

from households.models import User


def person_find(email: str) -> User:
    """Raises CommandError."""
    person = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if person is None:
        raise CommandError(f"Nobody signs in here as {email}.")
    return person
