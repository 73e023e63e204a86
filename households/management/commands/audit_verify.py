"""Whether the records of what was done are as they were written."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from common.management.hub import HubCommand
from households.models import Household
from households.record.chain import AuditCheck, audit_check
from households.record.file import NotARecord, audit_file_check


class Command(HubCommand):
    help = "Checks the record of every home, or a FILE that was exported from this hub."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE")

    def needs_data(self, *, file: Path | None = None, **options: Any) -> bool:
        return file is None

    def handle(self, *args: Any, file: Path | None = None, **options: Any) -> None:
        if file is not None:
            wrong = [self._tell(str(file), _file_check(file))]
        else:
            households = Household.objects.order_by("pk")
            wrong = [self._tell(household.name, audit_check(household)) for household in households]
        if any(wrong):
            raise CommandError("Not everything is as it was written.", returncode=1)

    def _tell(self, name: str, check: AuditCheck) -> bool:
        """Whether something is wrong with it."""
        if check.broken_at is None:
            entries = "1 entry" if check.count == 1 else f"{check.count} entries"
            self.stdout.write(f"{name}: {entries}, all as they were written.")
            return False
        problem = check.problem.label if check.problem else "is wrong"
        self.stdout.write(f"{name}: entry {check.broken_at} {problem}.")
        return True


def _file_check(file: Path) -> AuditCheck:
    try:
        with file.open(encoding="utf-8") as lines:
            return audit_file_check(lines)
    except (OSError, UnicodeDecodeError, NotARecord) as error:
        raise CommandError(str(error)) from None
