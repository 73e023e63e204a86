"""`manage.py turncheck`: whether the STUN and TURN servers do for calls what they must, and nothing else."""

import asyncio
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from calls.turncheck import turn_check


class Command(BaseCommand):
    help = "Asks every configured STUN and TURN server, one line for each check. Exit code 1 when one failed."

    def handle(self, **options: Any) -> None:
        if not settings.TURN_URLS:
            self.stdout.write(
                "No TURN server is configured. At home none is needed; for calls from elsewhere set HUB_TURN_URLS."
            )
        findings = asyncio.run(turn_check())
        for found in findings:
            result = "ok  " if found.is_ok else "FAIL"
            self.stdout.write(
                f"{result} {found.server} {found.what}{': ' * bool(found.advice)}{found.advice}"
            )
        if not all(found.is_ok for found in findings):
            sys.exit(1)
