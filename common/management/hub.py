"""What the commands for whoever runs the hub share."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection


class HubCommand(BaseCommand):
    """Of a hub that runs. Where its data or its database is not found, that is said in words, and what to do."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        if self.needs_data(**options) and not settings.HAS_DATA:
            raise CommandError(
                f"There is no hub's data in {settings.DATA_DIR}. Start the hub first, or set HUB_DATA_DIR."
            )
        try:
            return super().execute(*args, **options)
        except OperationalError as error:
            if connection.connection is not None:  # it was found; something else is wrong
                raise
            raise CommandError(_database_words()) from error

    def needs_data(self, **options: Any) -> bool:
        return True


def _database_words() -> str:
    # The hub's own listens on a socket in a folder.
    if not str(settings.DATABASES["default"].get("OPTIONS", {}).get("host", "")).startswith("/"):
        return "The database of this hub does not answer. See whether it runs, and whether DATABASE_URL is right."
    return (
        f"No hub runs with its data in {settings.DATA_DIR}. "
        "Start the hub, or set HUB_DATA_DIR to the folder in which its data lies."
    )
