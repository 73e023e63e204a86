"""A door that remembers what the worker told, and lets a test wait for it."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from media.door import LegState, OpenedFile, RecordingFile
from media.stats import Judged, Measured
from protocol.errors import ErrorCode
from sealing.files import SealedReader


@dataclass(frozen=True)
class Told:
    """One call of the door: its method's name and its arguments."""

    name: str
    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass
class FakeDoor:
    told: list[Told] = field(default_factory=list)
    keys: dict[UUID, frozenset[str]] = field(default_factory=dict)  # of participants that are known by one
    keys_known: asyncio.Event | None = None  # until it is set, the hub does not know
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def sound(self, root: Path, name: str) -> BinaryIO:
        """The recording `name` in clear, by the key that came with its beginning."""
        key = next(
            told.recording.key for told in self.all("recording_started") if told.recording.name == name
        )
        return io.BufferedReader(SealedReader((root / name).open("rb"), key))

    def _tell(self, name: str, **values: Any) -> None:
        self.told.append(Told(name, values))
        self._changed.set()

    async def answer(
        self, *, reply_channel: str, request_id: str | None, call_id: UUID | None, sdp: str
    ) -> None:
        self._tell("answer", reply_channel=reply_channel, request_id=request_id, call_id=call_id, sdp=sdp)

    async def error(
        self, *, reply_channel: str, request_id: str | None, code: ErrorCode, message: str
    ) -> None:
        self._tell("error", reply_channel=reply_channel, request_id=request_id, code=code, message=message)

    async def leg_state(
        self,
        *,
        leg_id: UUID,
        call_id: UUID | None,
        participant_id: UUID | None,
        state: LegState,
        reason: str = "",
    ) -> None:
        values = {"leg_id": leg_id, "call_id": call_id, "participant_id": participant_id}
        self._tell("leg_state", **values, state=state, reason=reason)

    async def leg_keys(self, *, call_id: UUID | None, participant_id: UUID | None) -> frozenset[str] | None:
        if self.keys_known is not None:
            await self.keys_known.wait()
        return None if participant_id is None else self.keys.get(participant_id)

    async def key_refused(self, *, participant_id: UUID) -> None:
        self._tell("key_refused", participant_id=participant_id)

    async def legs_heard(self, heard: dict[UUID, bool]) -> None:
        self._tell("legs_heard", heard=heard)

    async def standing_state(self, *, leg_id: UUID, state: LegState) -> None:
        self._tell("standing_state", leg_id=leg_id, state=state)

    async def leg_measured(self, *, participant_id: UUID, measured: Measured) -> None:
        self._tell("leg_measured", participant_id=participant_id, measured=measured)

    async def leg_judged(self, *, participant_id: UUID, judged: Judged) -> None:
        self._tell("leg_judged", participant_id=participant_id, judged=judged)

    async def recording_started(self, file: OpenedFile) -> None:
        self._tell("recording_started", recording=file)

    async def recording_finished(self, recording: RecordingFile) -> None:
        self._tell("recording_finished", recording=recording)

    async def capture_finished(
        self, *, reply_channel: str, request_id: str | None, path: Path, duration_s: float, language: str
    ) -> None:
        self._tell(
            "capture_finished",
            reply_channel=reply_channel,
            request_id=request_id,
            path=path,
            duration_s=duration_s,
            language=language,
        )

    def all(self, name: str) -> list[Told]:
        return [told for told in self.told if told.name == name]

    def states(self, leg_id: UUID) -> list[LegState]:
        return [told.state for told in self.all("leg_state") if told.leg_id == leg_id]

    async def wait_for(
        self, name: str, where: Callable[[Told], bool] = lambda told: True, *, timeout_s: float = 10.0
    ) -> Told:
        """The first matching call, past or future. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while True:
                for told in self.told:
                    if told.name == name and where(told):
                        return told
                self._changed.clear()
                await self._changed.wait()
