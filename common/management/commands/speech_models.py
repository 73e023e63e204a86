"""manage.py speech_models: list, download, verify and remove the models for speech."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common import speech_models
from common.speech_models import InstalledModel, Kind, ModelDamaged, Progress, SpeechModelError
from common.words import size_words


class Command(BaseCommand):
    help = "List, download, verify and remove the models for speech."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="action", metavar="list | download | verify | remove")
        commands.add_parser("list", help="what is installed and what can be downloaded (the default)")
        download = commands.add_parser("download", help="fetch a model; a cut download goes on where it was")
        download.add_argument("model_id")
        commands.add_parser("verify", help="read every file again and compare its checksum")
        remove = commands.add_parser("remove", help="delete a downloaded model")
        remove.add_argument("model_id")

    def handle(self, *args: Any, action: str | None, model_id: str = "", **options: Any) -> None:
        try:
            match action:
                case "download":
                    self._download(model_id)
                case "verify":
                    self._verify()
                case "remove":
                    speech_models.remove(model_id)
                    self.stdout.write(f"{model_id} is removed.")
                case _:
                    self._list()
        except SpeechModelError as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        serving = {speech_models.chosen(kind).id for kind in Kind if speech_models.installed(kind)}
        there = {model.id: model for model in speech_models.installed()}
        self.stdout.write("Installed")
        for model in there.values():
            self._line(model.id, model.manifest.size_bytes, model.manifest.name, _remarks(model, serving))
        self.stdout.write("\nTo download")
        for entry in speech_models.CATALOGUE:
            if entry.id not in there:
                self._line(entry.id, entry.size_bytes, entry.name, entry.licence)
        for progress in speech_models.progress_read(time.time()):
            if progress.model_id not in there:
                self.stdout.write(
                    f"\n{progress.model_id}: {progress.state}, {progress.percent} %. {progress.reason}"
                )

    def _line(self, model_id: str, size_bytes: int, name: str, remarks: str) -> None:
        self.stdout.write(f"  {model_id:<24}{size_words(size_bytes):>10}   {name:<24} {remarks}".rstrip())

    def _download(self, model_id: str) -> None:
        model = speech_models.download(model_id, self._show)
        self.stdout.write(f"{model.manifest.name} is ready ({size_words(model.manifest.size_bytes)}).")

    def _show(self, progress: Progress) -> None:
        got, total = size_words(progress.received_bytes), size_words(progress.total_bytes)
        end = "\r" if sys.stdout.isatty() else "\n"
        text = f"{progress.model_id}: {progress.state} {progress.percent:>3} %  {got} of {total}"
        self.stdout.write(text, ending=end)
        self.stdout.flush()

    def _verify(self) -> None:
        damaged = 0
        for model in speech_models.installed():
            try:
                speech_models.verify(model)
                self.stdout.write(f"{model.id}: good")
            except ModelDamaged as error:
                damaged += 1
                self.stdout.write(f"{model.id}: {error}")
        if damaged:
            raise CommandError(f"{damaged} damaged. Remove and download again.")


def _remarks(model: InstalledModel, serving: set[str]) -> str:
    remarks = ["demo quality"] if model.is_demo else []
    remarks += ["shipped"] if model.is_shipped else []
    remarks += ["in use"] if model.id in serving else []
    return ", ".join(remarks)
