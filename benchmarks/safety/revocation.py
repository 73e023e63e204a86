"""S4: whoever loses a right in the middle of a call is out, socket and sound, within two seconds.

Daphne, one media worker, PostgreSQL and Valkey are the real programs. In each trial somebody calls a device, both are
heard, and then the right is taken away. The caller goes on sending. What counts is the later of two moments: the socket
was closed, and the last packet of sound came to either end.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from benchmarks.environment import rows_ready
from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.rights_ended import ENDINGS, Ending, Slot, slot_make

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

FIGURES: Final = tuple(ENDINGS)
TRIALS: Final = 100
QUICK_TRIALS: Final = 6
_AT_ONCE: Final = 3
_QUIET_S: Final = 1.0  # so long without a packet: nothing comes any more
_WATCHED_S: Final = 8.0
_BEGUN_WITHIN_S: Final = 30.0


def measure(options: Options) -> list[Figure]:
    # As `./start` does before a hub runs: no call is taken while a worker compiles.
    subprocess.run([sys.executable, "-m", "media.connection.loop"], check=True)
    with rows_ready("revocation") as folder:
        return _run(folder, options)


def _run(folder: Path, options: Options) -> list[Figure]:
    from django_scopes import scopes_disabled

    from benchmarks.media.soak import _web
    from tests.fakes.media_program import MediaProgram
    from tests.plugin_cast import _cast_make

    trials = QUICK_TRIALS if options.is_quick else TRIALS
    with scopes_disabled(), ExitStack() as stack:
        cast = _cast_make()
        slots = [slot_make(cast.anna, cast.carla, number) for number in range(_AT_ONCE)]
        stack.enter_context(MediaProgram(processes=1, log=folder / "media.log"))
        web = stack.enter_context(_web(folder))
        wanted = {name: ending for name, ending in ENDINGS.items() if options.wants(name)}
        return asyncio.run(_measure(slots, f"127.0.0.1:{web.port}", wanted, trials))


async def _measure(slots: list[Slot], host: str, wanted: dict[str, Ending], trials: int) -> list[Figure]:
    figures = []
    for name, ending in wanted.items():
        left = iter(range(trials))
        found = await asyncio.gather(*(_one_after_the_other(slot, host, ending, left) for slot in slots))
        figures.append(_figure(name, ending, [out for part in found for out in part], trials))
        print(figures[-1].name, figures[-1].value, figures[-1].reference, file=sys.stderr)
    return figures


def _figure(name: str, ending: Ending, found: list[float | None], trials: int) -> Figure:
    """No trial may be missing, and none of them over the bar: the longest one counts."""
    done = [out for out in found if out is not None]
    longest = max(done) if len(done) == trials else None
    within = sum(out <= 2 for out in done)
    middle = f"; p50 {sorted(done)[len(done) // 2]:.2f} s" if done else ""
    words = f"{within} of {trials} trials within 2 s{middle}"
    return figure(
        name, f"{ending.name}: socket closed and no more sound", longest, "s", bar="<= 2", reference=words
    )


async def _one_after_the_other(
    slot: Slot, host: str, ending: Ending, left: Iterator[int]
) -> list[float | None]:
    from websockets.exceptions import WebSocketException

    found: list[float | None] = []
    for _ in left:
        try:
            found.append(await _trial(slot, host, ending))
        except (TimeoutError, RuntimeError, OSError, WebSocketException) as error:
            print(f"a trial failed: {type(error).__name__} {error}", file=sys.stderr)
            found.append(None)
    return found


async def _trial(slot: Slot, host: str, ending: Ending) -> float | None:
    """The seconds until the right was gone everywhere. None: it never was."""
    from asgiref.sync import sync_to_async

    from benchmarks.media.soak import _hear, _Peer, _say

    await sync_to_async(ending.prepare)(slot)
    async with (
        _device_socket(slot, host) as device,
        _page_socket(slot, host) as page,
        _Peer(440) as caller,
        _Peer(1000, slot.key) as room,
    ):
        async with asyncio.timeout(_BEGUN_WITHIN_S):
            invite_id = uuid4().hex
            await _say(page, "call_invite", device_id=str(slot.device.public_id), id=invite_id)
            call_id = (await _hear(page, "call_state", reply_to=invite_id))["call_id"]
            await _hear(device, "call_invite", call_id=call_id)
            await _say(device, "call_accept", call_id=call_id)
            await asyncio.gather(caller.connect(page, call_id), room.connect(device, call_id))
            await asyncio.gather(caller.heard.wait(), room.heard.wait())
        with _counting(caller) as at_caller, _counting(room) as at_room:
            out = asyncio.create_task(_closed_at(device if ending.is_device_out else page))
            began_s = await sync_to_async(_begun)(ending, slot)
            moments = [await out, *[await _last_at(times, began_s) for times in (at_caller, at_room)]]
    return None if None in moments else max(moment for moment in moments if moment is not None) - began_s


def _begun(ending: Ending, slot: Slot) -> float:
    """When the deed began: the thread of the database may have had to do with another trial before."""
    began_s = time.monotonic()
    ending.deed(slot)
    return began_s


@contextmanager
def _counting(peer: Any) -> Iterator[list[float]]:
    """The moments at which packets of sound came to this peer, before anything is buffered or decoded."""
    times: list[float] = []
    receiver = peer._connection.getReceivers()[0]
    usual = receiver._handle_rtp_packet

    async def counted(packet: Any, arrival_time_ms: int) -> None:
        times.append(time.monotonic())
        await usual(packet, arrival_time_ms=arrival_time_ms)

    receiver._handle_rtp_packet = counted
    try:
        yield times
    finally:
        receiver._handle_rtp_packet = usual


async def _last_at(times: list[float], began_s: float) -> float | None:
    """When the last packet came. None: they still come."""
    while time.monotonic() < began_s + _WATCHED_S:
        last_s = max(times[-1] if times else began_s, began_s)
        if time.monotonic() > last_s + _QUIET_S:
            return last_s
        await asyncio.sleep(0.05)
    return None


async def _closed_at(socket: "ClientConnection") -> float | None:
    from websockets.exceptions import ConnectionClosed

    with suppress(TimeoutError):
        async with asyncio.timeout(_WATCHED_S):
            try:
                while True:
                    await socket.recv()
            except ConnectionClosed:
                return time.monotonic()
    return None


def _device_socket(slot: Slot, host: str) -> Any:
    from contextlib import asynccontextmanager

    from websockets.asyncio.client import connect

    from benchmarks.media.soak import _hear, _say
    from protocol.identity import login_text
    from tests.signaling.sockets import sign

    @asynccontextmanager
    async def opened() -> Any:
        async with connect(f"ws://{host}/ws/device/") as socket:
            challenge = await _hear(socket, "challenge")
            device_id = str(slot.device.public_id)
            text = login_text(
                nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=device_id, epoch=1
            )
            signature = sign(slot.key, text)
            await _say(
                socket, "hello", device_id=device_id, signature=signature, agent_version="trial", epoch=1
            )
            await _hear(socket, "hello_ack")
            yield socket

    return opened()


def _page_socket(slot: Slot, host: str) -> Any:
    from contextlib import asynccontextmanager

    from websockets.asyncio.client import connect
    from websockets.typing import Origin

    from benchmarks.media.soak import _hear

    @asynccontextmanager
    async def opened() -> Any:
        headers = {"Cookie": slot.cookie} if slot.cookie else {}
        async with connect(
            f"ws://{host}/ws/hub/",
            origin=Origin(f"http://{host}"),
            additional_headers=headers,
        ) as socket:
            hello = {"type": "hello"} | ({"token": slot.words} if slot.words else {})
            await socket.send(json.dumps(hello))
            await _hear(socket, "hello_ack")
            yield socket

    return opened()
