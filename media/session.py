"""One call: its legs hear each other, and each participant's voice goes to a file of its own."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import structlog

from media.door import OpenedFile, RecordingFile
from media.leg import Leg
from media.packets import MicPacket
from media.recording.recorder import FileThread, Recorder, free_path
from media.sound.callmixer import CallMixer
from media.sound.echo import LegEchoCanceller
from media.supervise import Supervisor
from sealing.files import new_key
from sound.echo.canceller import is_available

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class StartedRecording:
    file: OpenedFile
    recorder: Recorder


class CallSession:
    """Legs join and leave. All files of the call begin at the moment when the second leg was heard."""

    def __init__(self, call_id: UUID, *, recordings_root: Path, files: FileThread, tasks: Supervisor) -> None:
        self.call_id = call_id
        self._root = recordings_root
        self._files = files
        self._legs: dict[UUID, Leg] = {}
        self.mixer = CallMixer(tasks, changed=self._detour)
        self._names: dict[UUID, str] = {}
        self._recordings: dict[UUID, StartedRecording] = {}
        self._started_at_s: float | None = None  # monotonic
        self._started_at_unix_s = 0.0

    @property
    def legs(self) -> list[Leg]:
        return list(self._legs.values())

    def join(self, leg: Leg, *, recording_name: str | None) -> list[StartedRecording]:
        """Add a leg, and record it at once where the call is being recorded already."""
        self._legs[leg.leg_id] = leg
        if recording_name is not None and leg.participant_id is not None:
            self._names[leg.leg_id] = recording_name
        self.mixer.add(leg.leg_id, leg.track)
        return self._record()

    def cancel_echo(self, leg: Leg, *, is_on: bool) -> None:
        """In what comes from `leg`; the recording keeps it as it came."""
        if is_on and not is_available():
            log.warning("echo_canceller_missing")
            return
        leg.echo = LegEchoCanceller() if is_on else None
        self.mixer.set_processor(leg.leg_id, leg.echo)

    def leave(self, leg: Leg) -> None:
        leg.detour()
        self._legs.pop(leg.leg_id, None)
        leg.recording = leg.echo = None
        self.mixer.remove(leg.leg_id)

    def heard(self) -> list[StartedRecording]:
        """A leg was heard for the first time. With the second one the recordings begin; returns the new ones."""
        heard = [leg for leg in self._legs.values() if leg.state is not None]
        if self._started_at_s is None and len(heard) >= 2:
            self._started_at_s, self._started_at_unix_s = time.monotonic(), time.time()
        return self._record()

    def route(self, leg: Leg, packet: MicPacket) -> None:
        """Pass what `leg` said to the others: as it is, or in a mix."""
        self.mixer.route(leg.leg_id, packet)

    def only_listener(self, leg: Leg) -> Leg | None:
        """Who hears this leg as it is, where nobody else does and nothing is mixed."""
        listener_id = self.mixer.only_listener(leg.leg_id)
        return None if listener_id is None else self._legs.get(listener_id)

    def _detour(self) -> None:
        for leg in self._legs.values():
            leg.detour()

    async def finish(self) -> list[RecordingFile]:
        """Close all files, with one common end, and say what they are."""
        recordings, self._recordings = list(self._recordings.values()), {}
        for leg in self._legs.values():
            leg.recording = None
        ended_at_s = time.monotonic()
        files = [await self._finish(recording, ended_at_s) for recording in recordings]
        return [file for file in files if file is not None]

    async def _finish(self, recording: StartedRecording, ended_at_s: float) -> RecordingFile | None:
        finished = await recording.recorder.finish(ended_at_s=ended_at_s)
        if finished is None:
            return None
        return RecordingFile(
            **asdict(recording.file),
            duration_s=finished.duration_s,
            size_bytes=finished.size_bytes,
            packets_lost=finished.packets_lost,
        )

    def _record(self) -> list[StartedRecording]:
        if self._started_at_s is None:
            return []
        started = [self._start(leg, self._started_at_s) for leg in self._legs.values()]
        return [recording for recording in started if recording is not None]

    def _start(self, leg: Leg, started_at_s: float) -> StartedRecording | None:
        """The recording of a leg, when it is new. A leg that comes back goes on in its own file."""
        if (known := self._recordings.get(leg.leg_id)) is not None:
            leg.recording = known.recorder
            return None
        name, participant_id = self._names.get(leg.leg_id), leg.participant_id
        if name is None or participant_id is None:
            return None
        path = free_path(self._root, name)
        if path is None:
            log.error("recording_outside_root", leg_id=str(leg.leg_id))
            return None
        key = new_key()
        leg.recording = Recorder(self._files, path, started_at_s=started_at_s, key=key)
        relative = path.relative_to(self._root).as_posix()
        file = OpenedFile(
            call_id=self.call_id,
            participant_id=participant_id,
            name=relative,
            started_at_s=self._started_at_unix_s,
            key=key,
        )
        recording = StartedRecording(file=file, recorder=leg.recording)
        self._recordings[leg.leg_id] = recording
        return recording
