"""`manage.py up`: the whole hub in one terminal."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.errors import StartError
from config.hub import HubOptions, hub_run


class Command(BaseCommand):
    help = "Start the hub: database, web, media worker, tasks and schedules, in one terminal."

    requires_system_checks = ()  # they import every page, and a start should not take longer for it

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = HubOptions()
        parser.add_argument(
            "--demo", action="store_true", help="add a simulated device that waits to be claimed"
        )
        parser.add_argument("--host", default=default.host, help="127.0.0.1 serves this machine only")
        parser.add_argument("--port", type=int, default=default.port)
        parser.add_argument("--once", action="store_true", help="stop again as soon as everything is ready")

    def handle(self, *, demo: bool, host: str, port: int, once: bool, **options: Any) -> None:
        try:
            hub_run(HubOptions(host=host, port=port, has_demo_device=demo, ends_when_ready=once))
        except StartError as error:
            raise CommandError(str(error)) from error
