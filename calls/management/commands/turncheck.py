"""`manage.py turncheck`: whether the STUN and TURN servers do for calls what they must, and nothing else."""

import asyncio
import sys
from typing import Any

from django.conf import settings

from calls.network.turncheck import Outcome, turn_check
from common.management.hub import HubCommand


class Command(HubCommand):
    help = "Asks every configured STUN and TURN server, one line for each check. Exit code 1 when one failed."

    def handle(self, **options: Any) -> None:
        if not settings.TURN_URLS:
            self.stdout.write(
                "No TURN server is configured. At home none is needed; for calls from elsewhere set HUB_TURN_URLS."
            )
        findings = asyncio.run(turn_check())
        for found in findings:
            self.stdout.write(found.line)
        if any(found.outcome is Outcome.FAILED for found in findings):
            sys.exit(1)
