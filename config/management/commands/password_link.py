"""`manage.py password_link EMAIL`: a new password for somebody who forgot theirs, by whoever runs the hub."""

from argparse import ArgumentParser
from typing import Any

from common.address import addresses
from common.management.hub import HubCommand
from config.management.people import person_find
from households.accounts.sign_in import password_link_make


class Command(HubCommand):
    help = "Print a link with which a person chooses a new password. It works once. It stands in the record."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the address with which the person signs in")

    def handle(self, *, email: str, **options: Any) -> None:
        path = password_link_make(person_find(email))
        for address in addresses():
            self.stdout.write(f"{address}{path}")
