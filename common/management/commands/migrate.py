"""Django's own, with all rows in sight: a migration changes those of every household."""

from typing import Any

from django.core.management.commands import migrate
from django_scopes import scopes_disabled


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with scopes_disabled():
            super().handle(*args, **options)
