"""`manage.py setup_link`: where the owner account is made, for a hub without a terminal of its own."""

from typing import Any

from common.address import addresses
from common.management.hub import HubCommand
from households.services import setup_token_make


class Command(HubCommand):
    help = "Print a new set-up link; the one before stops working. Says so when there is an owner already."

    def handle(self, *args: Any, **options: Any) -> None:
        token = setup_token_make()
        if token is None:
            self.stdout.write(f"This hub has an owner. Sign in at {addresses()[0]}")
        else:
            self.stdout.write(f"{addresses()[0]}/setup/?token={token}")
