"""`python -m benchmarks.media.serve KIND FOLDER`: a server under test, driven by lines of JSON.

In: `{"call": id, "leg": id, "sdp": offer}`. Out: `{"leg": id, "sdp": answer}`. Ends with its standard input.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder, MediaRelay

from media.connection.loop import compile_early, loop_factory
from media.worker import MediaWorker
from protocol.errors import ErrorCode
from protocol.worker import LegOffer
from tests.fakes.door import FakeDoor

_MAX_LINE: Final = 1 << 20


def say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


class _Served(Protocol):
    async def offer(self, call: UUID, leg: UUID, sdp: str) -> None: ...

    async def aclose(self) -> None: ...


class _PipeDoor(FakeDoor):
    """The worker's door to this process's standard output."""

    async def answer(
        self, *, reply_channel: str, request_id: str | None, call_id: UUID | None, sdp: str
    ) -> None:
        say(leg=reply_channel, sdp=sdp)

    async def error(
        self, *, reply_channel: str, request_id: str | None, code: ErrorCode, message: str
    ) -> None:
        say(leg=reply_channel, error=message)


class OurWorker:
    """The product's worker; only its door is another."""

    def __init__(self, folder: Path) -> None:
        self._worker = MediaWorker(
            _PipeDoor(), recordings_root=folder / "recordings", captures_root=folder / "captures"
        )

    async def offer(self, call: UUID, leg: UUID, sdp: str) -> None:
        await self._worker.handle(
            LegOffer(
                leg_id=leg,
                call_id=call,
                participant_id=leg,
                sdp=sdp,
                ice_servers=[],
                reply_channel=str(leg),
                recording_name=f"{call}/{leg}.opus",
            )
        )

    async def aclose(self) -> None:
        await self._worker.aclose()


class PlainRelay:
    """Two peer connections that hear each other through MediaRelay, recorded, as aiortc's server example does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._relay = MediaRelay()
        self._waiting: dict[UUID, tuple[RTCPeerConnection, MediaStreamTrack]] = {}
        self._connections: list[RTCPeerConnection] = []
        self._recorders: list[MediaRecorder] = []

    async def offer(self, call: UUID, leg: UUID, sdp: str) -> None:
        connection = RTCPeerConnection()
        self._connections.append(connection)
        recorder = MediaRecorder(str(self._folder / f"{leg}.wav"))
        self._recorders.append(recorder)
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        track = connection.getReceivers()[0].track
        recorder.addTrack(self._relay.subscribe(track))
        waiting = self._waiting.pop(call, None)
        if waiting is None:
            self._waiting[call] = (connection, track)
        else:
            other, others_track = waiting
            connection.getSenders()[0].replaceTrack(self._relay.subscribe(others_track))
            other.getSenders()[0].replaceTrack(self._relay.subscribe(track))
        for transceiver in connection.getTransceivers():
            transceiver.direction = "sendrecv"
        await connection.setLocalDescription(await connection.createAnswer())
        await recorder.start()
        say(leg=str(leg), sdp=connection.localDescription.sdp)

    async def aclose(self) -> None:
        for recorder in self._recorders:
            await recorder.stop()
        for connection in self._connections:
            await connection.close()


async def serve(kind: str, folder: Path) -> None:
    reader = asyncio.StreamReader(limit=_MAX_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    served: _Served = OurWorker(folder) if kind == "ours" else PlainRelay(folder)
    say(ready=True)
    while line := await reader.readline():
        request = json.loads(line)
        await served.offer(UUID(request["call"]), UUID(request["leg"]), request["sdp"])
    await served.aclose()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    compile_early()
    # Ours in the product's own loop, the plain relay in asyncio's.
    with asyncio.Runner(loop_factory=loop_factory() if sys.argv[1] == "ours" else None) as runner:
        runner.run(serve(sys.argv[1], Path(sys.argv[2])))
