"""`manage.py asyncapi`: write docs/asyncapi.yaml anew."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand

from signaling.asyncapi import asyncapi_document


class Command(BaseCommand):
    help = "Write the AsyncAPI document of both sockets."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, default=Path("docs/asyncapi.yaml"))

    def handle(self, *args: Any, **options: Any) -> None:
        options["file"].write_text(yaml.safe_dump(asyncapi_document(), sort_keys=False, width=110))
