"""`manage.py second_factor_remove EMAIL`: for somebody who lost phone, passkeys and recovery codes."""

from argparse import ArgumentParser
from typing import Any

from common.management.hub import HubCommand
from config.management.people import person_find
from households.accounts.sign_in import second_factor_remove


class Command(HubCommand):
    help = (
        "Let a person sign in with the password alone again. Ends their sessions, and stands in the record."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the address with which the person signs in")

    def handle(self, *, email: str, **options: Any) -> None:
        person = person_find(email)
        if second_factor_remove(person):
            self.stdout.write(
                f"{person} signs in with the password alone now, and was signed out everywhere."
            )
        else:
            self.stdout.write(f"{person} has no second factor. Signed out everywhere.")
