"""`manage.py restore FILE`: what `backup` wrote, into an empty data folder."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.archive import BackupError
from config.backup import backup_restore
from config.embedded import given
from config.management.commands.backup import phrase_read
from config.secrets import typed


class Command(BaseCommand):
    help = "Put a backup into an empty data folder (HUB_DATA_DIR). The hub must not run."

    requires_system_checks = ()  # there is no database yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--identity", type=Path, help="a file with the key of the recipient, of age-keygen"
        )
        parser.add_argument("--passphrase-file", type=Path, help="a file whose first line is the passphrase")

    def handle(
        self, *, file: Path, identity: Path | None, passphrase_file: Path | None, **options: Any
    ) -> None:
        try:
            key = identity.read_text() if identity else ""
            count = backup_restore(file, identity=key, phrase=phrase_read(passphrase_file))
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        how = "." if given("DATABASE_URL") else f": {typed('./start')}"
        self.stdout.write(f"{count} files are back. Start the hub{how}")
