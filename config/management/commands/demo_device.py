"""`manage.py demo_device`: a simulated device whose microphone hears a person who says the same sentences again.

`up --demo` starts it. It makes the person's words once, with the voice of this hub, and then becomes the agent.
"""

import os
import wave
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from config.programs import demo_agent

# Words that the small recogniser of this hub writes down as they are.
WORDS = (
    "Hello, can you hear me? Dinner is ready. The soup is ready in the kitchen. Please turn off the lights."
)
PAUSE_S = 4


class Command(BaseCommand):
    help = "Run a simulated device against this hub."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--hub", required=True)
        parser.add_argument("--data-dir", type=Path, required=True)
        parser.add_argument("--qr-hub", help="the hub's address for phones")

    def handle(self, *, hub: str, data_dir: Path, qr_hub: str | None, **options: Any) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        microphone = data_dir / "microphone.wav"
        if not microphone.exists():
            self.make_clip(microphone)
        program = demo_agent(hub_url=hub, data_dir=data_dir, microphone=microphone, qr_hub_url=qr_hub)
        # The agent takes this process over, with its parent and its end.
        os.execve(program.command[0], program.command, program.environment_from(os.environ))  # noqa: S606

    def make_clip(self, path: Path) -> None:
        from announcements.speech import clip_write

        partial = path.with_name("part.wav")
        clip_write(WORDS, None, partial)
        with wave.open(str(partial), "rb") as clip:
            shape, frames = clip.getparams(), clip.readframes(clip.getnframes())
        with wave.open(str(partial), "wb") as clip:
            clip.setparams(shape)
            clip.writeframes(frames + bytes(PAUSE_S * shape.framerate * shape.sampwidth))
        partial.rename(path)
