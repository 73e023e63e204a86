"""What is said into one leg between two commands, outside of any call, kept to be written down."""

import time
from pathlib import Path
from typing import Final
from uuid import uuid4

from media.leg import Leg
from media.outbox import Outbox
from media.recording.recorder import FileThread, Recorder, free_path
from protocol.errors import ErrorCode
from protocol.worker import CaptureStop

MAX_CAPTURE_S: Final = 300.0


class Captures:
    def __init__(self, root: Path, files: FileThread, outbox: Outbox) -> None:
        self._root, self._files, self._outbox = root, files, outbox

    async def start(self, leg: Leg) -> None:
        """One that runs already is thrown away."""
        previous, leg.capture = leg.capture, None
        if previous is not None:
            await previous.discard()
        path = free_path(self._root, f"{leg.leg_id}-{uuid4().hex[:8]}.opus")
        if path is not None and not leg.closed:
            leg.capture = Recorder(self._files, path, started_at_s=time.monotonic(), max_s=MAX_CAPTURE_S)

    async def stop(self, leg: Leg, command: CaptureStop) -> None:
        capture, leg.capture = leg.capture, None
        if capture is None:
            self._outbox.refuse(command, ErrorCode.NO_CONNECTION, "The microphone was not started.")
            return
        finished = await capture.finish(ended_at_s=time.monotonic())
        if finished is None:
            self._outbox.refuse(command, ErrorCode.INTERNAL, "What was said could not be kept. Try again.")
            return
        self._outbox.captured(command, finished)
