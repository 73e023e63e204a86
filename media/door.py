"""What the worker tells the hub. `media.hub` is the real door; tests pass a fake one."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import UUID

from media.stats import Judged, Measured
from protocol.errors import ErrorCode


class LegState(StrEnum):
    CONNECTED = "connected"  # the first packet of its microphone came
    LOST = "lost"  # no packet for a while
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """One participant's file, sealed under `key`. `started_at_s` is wall time (Unix) of its first sample."""

    call_id: UUID
    participant_id: UUID
    name: str
    started_at_s: float
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RecordingFile(OpenedFile):
    """The same file, finished."""

    duration_s: float
    size_bytes: int
    packets_lost: int


class Door(Protocol):
    """Every method may be awaited from the worker's loop; none may block it, none raises."""

    async def answer(
        self, *, reply_channel: str, request_id: str | None, call_id: UUID | None, sdp: str
    ) -> None: ...

    async def error(
        self, *, reply_channel: str, request_id: str | None, code: ErrorCode, message: str
    ) -> None: ...

    async def leg_state(
        self,
        *,
        leg_id: UUID,
        call_id: UUID | None,
        participant_id: UUID | None,
        state: LegState,
        reason: str = "",
    ) -> None: ...

    async def leg_keys(self, *, call_id: UUID | None, participant_id: UUID | None) -> frozenset[str] | None:
        """Fingerprints of the keys that stand for this participant now; None: it is known by no key.

        Waits for as long as the hub does not know.
        """

    async def key_refused(self, *, participant_id: UUID) -> None:
        """A connection in the name of this participant had another key."""

    async def legs_heard(self, heard: dict[UUID, bool]) -> None:
        """All legs of calls, by participant: whether they are heard now."""

    async def standing_state(self, *, leg_id: UUID, state: LegState) -> None:
        """Of a standing leg, whatever call it is in."""

    async def leg_measured(self, *, participant_id: UUID, measured: Measured) -> None: ...

    async def leg_judged(self, *, participant_id: UUID, judged: Judged) -> None: ...

    async def recording_started(self, file: OpenedFile) -> None: ...

    async def recording_finished(self, recording: RecordingFile) -> None: ...

    async def capture_finished(
        self, *, reply_channel: str, request_id: str | None, path: Path, duration_s: float, language: str
    ) -> None: ...
