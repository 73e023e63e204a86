"""`manage.py backup FILE`: the whole hub in one encrypted file, while it runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from common.management.hub import HubCommand
from config.archive import BackupError
from config.backup import backup_make


class Command(HubCommand):
    help = "Write rows, recordings and keys into one file, encrypted in the format of age. There is no other kind."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--to", default="", metavar="RECIPIENT", help="a recipient of age: age1…")
        parser.add_argument("--passphrase-file", type=Path, help="a file whose first line is the passphrase")

    def handle(self, *, file: Path, to: str, passphrase_file: Path | None, **options: Any) -> None:
        try:
            count = backup_make(file, recipient=to, phrase=phrase_read(passphrase_file))
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: {count} files, {file.stat().st_size:,} bytes.")


def phrase_read(file: Path | None) -> str:
    """Raises OSError."""
    return (file.read_text().splitlines() or [""])[0].strip() if file else ""
