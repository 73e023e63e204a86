"""The process: commands go to the worker, a signal drains it, and the files are always closed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from aiortc import RTCSessionDescription

from media.__main__ import worker_id_make
from media.child import serve
from media.door import LegState
from protocol.rtcp import CALL_OVER, goodbye_reason
from protocol.worker import LegOffer, ToneStart, WorkerCommand
from tests.fakes.door import FakeDoor

pytestmark = pytest.mark.unit


class FakeLink:
    """The contract of media.lease.HubLink."""

    made: "list[FakeLink]" = []

    def __init__(self, worker_id: str, *, capacity: int) -> None:
        self.worker_id, self.door, self.load = worker_id, FakeDoor(), -1
        self.inbox: asyncio.Queue[WorkerCommand | Exception] = asyncio.Queue()
        self.left = asyncio.Event()
        self.said: list[str] = []
        FakeLink.made.append(self)

    async def __aenter__(self) -> "FakeLink":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.left.set()

    async def commands(self) -> AsyncIterator[WorkerCommand]:
        while True:
            command = await self.inbox.get()
            if isinstance(command, Exception):
                raise command
            yield command

    def report(self, *, leg_count: int, call_ids: Iterable[str]) -> None:
        self.load = leg_count

    async def drain(self) -> None:
        self.said.append("drain")

    async def move_calls(self) -> None:
        self.said.append("move")

    async def end_calls(self) -> None:
        self.said.append("end")

    async def strays(self, call_ids: Iterable[str]) -> dict[str, bool]:
        return dict.fromkeys(call_ids, True) if "end" in self.said else {}


async def link_made() -> FakeLink:
    async with asyncio.timeout(10):
        while not FakeLink.made:
            await asyncio.sleep(0.01)
    return FakeLink.made[0]


async def taken(stop: asyncio.Event) -> None:
    """A signal was heard; the next one is another."""
    async with asyncio.timeout(10):
        while stop.is_set():
            await asyncio.sleep(0.01)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    FakeLink.made.clear()
    module = ModuleType("media.lease")
    module.HubLink = FakeLink  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "media.lease", module)
    settings.RECORDINGS_ROOT, settings.CAPTURES_ROOT = tmp_path / "recordings", tmp_path / "captures"


@pytest.mark.usefixtures("hub")
async def test_it_takes_commands_survives_a_broken_one_and_stops() -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(serve("w-1", stop, capacity=4))
    link = await link_made()
    link.inbox.put_nowait(ValueError("unreadable"))
    link.inbox.put_nowait(ToneStart(leg_id=uuid4(), frequency_hz=440, reply_channel="c", request_id="1"))
    told = await link.door.wait_for("error")
    assert told.request_id == "1"
    assert link.load == 0
    stop.set()
    await asyncio.wait_for(running, 5)
    assert link.left.is_set()


@pytest.mark.usefixtures("hub")
async def test_a_second_signal_does_not_wait_for_the_calls() -> None:
    from tests.fakes.peer import RealPeer

    stop = asyncio.Event()
    running = asyncio.create_task(serve("w-2", stop, capacity=4))
    link = await link_made()
    peer = RealPeer(None, link.door)  # type: ignore[arg-type]
    sdp = await peer.offer()
    link.inbox.put_nowait(
        LegOffer(leg_id=peer.leg_id, call_id=uuid4(), sdp=sdp, ice_servers=[], reply_channel="c")
    )
    await link.door.wait_for("answer")
    stop.set()
    await taken(stop)
    await asyncio.sleep(0.2)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 5)
    assert link.left.is_set()
    await peer.close()


@pytest.mark.usefixtures("hub")
async def test_who_is_in_a_call_that_ends_with_the_worker_hears_that_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.fakes.peer import RealPeer

    stop, said = asyncio.Event(), list[str]()
    running = asyncio.create_task(serve("w-3", stop, capacity=4))
    link = await link_made()
    peer = RealPeer(None, link.door)  # type: ignore[arg-type]
    link.inbox.put_nowait(
        LegOffer(
            leg_id=peer.leg_id,
            call_id=uuid4(),
            participant_id=peer.participant_id,
            sdp=await peer.offer(),
            ice_servers=[],
            reply_channel="c",
        )
    )
    answer = RTCSessionDescription(sdp=str((await link.door.wait_for("answer")).sdp), type="answer")
    await peer.connection.setRemoteDescription(answer)
    await link.door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
    transport = peer.connection.getTransceivers()[0].receiver.transport
    read = transport._handle_rtcp_data

    async def listen(data: bytes) -> None:
        said.append(goodbye_reason(data))
        await read(data)

    monkeypatch.setattr(transport, "_handle_rtcp_data", listen)
    stop.set()
    await taken(stop)
    stop.set()
    await asyncio.wait_for(running, 5)
    async with asyncio.timeout(5):
        while transport.state != "closed":
            await asyncio.sleep(0.01)
    assert CALL_OVER in said
    await peer.close()


def test_every_process_has_a_name_of_its_own_that_a_group_may_carry() -> None:
    names = {worker_id_make() for _ in range(50)}
    assert len(names) == 50
    assert all(name.replace("-", "").isalnum() and len(name) < 60 for name in names)
