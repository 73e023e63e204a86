"""A thousand short calls, one after the other and a few at once, and what stays of them.

`python -m media` with one worker, Daphne and Celery's chores are the real programs, on a private PostgreSQL and Valkey.
Each call comes over the two WebSockets: the caller's is new each time, the devices' stay. Both ends are aiortc peers of
this process. Transcripts are not made.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import psutil

from benchmarks.environment import rows_ready
from benchmarks.figures import Figure, Options, figure
from benchmarks.media.ends import ends_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from websockets.asyncio.client import ClientConnection

    from devices.models import Device
    from tests.fakes.media_program import MediaProgram
    from tests.plugin_cast import Cast

FIGURES: Final = ("R17",)
_AT_ONCE: Final = 4
_AT_ONCE_BEFORE: Final = 8  # so that pools of connections have been at their largest
_TALK_S: Final = 2.2
_WITHIN_S: Final = 30.0
_SETTLE_S: Final = 12.0  # what is told late, and every pause of a sweep, is over by then
_HOUR_S: Final = 3600.0
_MB: Final = 1e6
_QUEUE_OF_TRANSCRIPTS: Final = "stt"  # nobody works on it here


@dataclass(frozen=True)
class Plan:
    calls: int = 1000
    warm_up: int = 100


QUICK: Final = Plan(calls=60, warm_up=20)


@dataclass(frozen=True)
class State:
    """Of worker and web together, while no call goes on."""

    at_s: float
    rss: dict[str, float]  # bytes, by process
    files: int
    threads: int
    sockets: int
    ends: Counter[str]
    tasks: dict[str, int]


def measure(options: Options) -> list[Figure]:
    plan = QUICK if options.is_quick else Plan()
    with rows_ready("soak") as folder:
        return _run(folder, plan)


def _run(folder: Path, plan: Plan) -> list[Figure]:
    from django_scopes import scopes_disabled

    from tests.fakes.media_program import MediaProgram
    from tests.plugin_cast import _cast_make

    with scopes_disabled(), ExitStack() as stack:
        cast = _cast_make()
        media = stack.enter_context(MediaProgram(processes=1, log=folder / "media.log"))
        web = stack.enter_context(_web(folder))
        stack.enter_context(_chores(folder))
        rig = _Rig(cast, media, web)
        warm, end = asyncio.run(rig.run(plan))
        left = rig.left()
    return _figures(plan, rig, warm, end, left)


@contextmanager
def _program(folder: Path, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    from tests.fakes.media_program import ROOT, environment

    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=environment(), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _web(folder: Path) -> "Iterator[_Web]":
    from config.readiness import answers_ok
    from tests.operate.hub_process import free_port

    port = free_port()
    words = ("daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", "config.asgi:application")
    with _program(folder, "web", *words) as process:
        deadline_s = time.monotonic() + 60
        while not asyncio.run(answers_ok("127.0.0.1", port, "/readyz")):
            if time.monotonic() > deadline_s:
                raise RuntimeError((folder / "web.log").read_text())
            time.sleep(0.2)
        yield _Web(process.pid, port)


@contextmanager
def _chores(folder: Path) -> Iterator[None]:
    words = (
        "celery",
        "-A",
        "config",
        "worker",
        "--queues",
        "default",
        "--pool",
        "threads",
        "--concurrency",
        "2",
    )
    with _program(folder, "chores", *words):
        yield


@dataclass(frozen=True)
class _Web:
    pid: int
    port: int

    def metrics(self) -> dict[str, int]:
        """The numbers of tasks, by process."""
        import urllib.request

        with urllib.request.urlopen(f"http://localhost:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {
            line.split("{")[0]: round(float(line.split()[-1]))
            for line in lines
            if line.startswith(("hearthline_web_tasks", "hearthline_media_tasks"))
        }


class _Rig:
    """`failed` counts calls that did not come about or were not heard."""

    def __init__(self, cast: "Cast", media: "MediaProgram", web: _Web) -> None:
        from tests.plugin_cast import device_make

        self._cast, self._media, self._web = cast, media, web
        self._devices = [
            device_make(cast.anna, f"Speaker {number}", f"Room {number}") for number in range(_AT_ONCE_BEFORE)
        ]
        self._token = _token(cast)
        self._left_to_do = 0
        self.failed = 0

    async def run(self, plan: Plan) -> tuple[State, State]:
        sockets = [await self._device_open(*device) for device in self._devices]
        pinging = asyncio.gather(*(_ping(socket) for socket in sockets))
        try:
            await self._calls(sockets, plan.warm_up)
            warm = await self._state()
            await self._calls(sockets[:_AT_ONCE], plan.calls - plan.warm_up)
            return warm, await self._state()
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
            for socket in sockets:
                await socket.close()

    def left(self) -> dict[str, int]:
        """Rows and keys that should be gone."""
        from calls.models import Call, Recording
        from common.redis import redis_get

        keys = [str(key) for key in redis_get().scan_iter(count=1000)]
        kept = ("media:worker:", "metrics:", "_kombu.", _QUEUE_OF_TRANSCRIPTS)
        return {
            "live calls": Call.objects.exclude(state="ended").count(),
            "open files": Recording.objects.filter(state="writing").count(),
            "keys": sum(not key.startswith(kept) for key in keys),
        }

    async def _calls(self, sockets: "list[ClientConnection]", count: int) -> None:
        self._left_to_do = count
        await asyncio.gather(
            *(self._one_after_the_other(*one) for one in zip(self._devices, sockets, strict=False))
        )

    async def _one_after_the_other(
        self, device: "tuple[Device, EllipticCurvePrivateKey]", socket: "ClientConnection"
    ) -> None:
        while self._left_to_do > 0:
            self._left_to_do -= 1
            try:
                async with asyncio.timeout(_WITHIN_S):
                    await self._call(*device, socket)
            except (TimeoutError, RuntimeError) as error:
                self.failed += 1
                print(f"a call failed: {type(error).__name__} {error}", file=sys.stderr)

    async def _device_open(self, device: "Device", key: "EllipticCurvePrivateKey") -> "ClientConnection":
        from websockets.asyncio.client import connect

        from protocol.identity import login_text
        from tests.signaling.sockets import sign

        socket = await connect(f"ws://127.0.0.1:{self._web.port}/ws/device/")
        challenge = await _hear(socket, "challenge")
        device_id = str(device.public_id)
        text = login_text(nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=device_id, epoch=1)
        await _say(
            socket, "hello", device_id=device_id, signature=sign(key, text), agent_version="soak", epoch=1
        )
        await _hear(socket, "hello_ack")
        return socket

    async def _call(
        self, called: "Device", key: "EllipticCurvePrivateKey", device: "ClientConnection"
    ) -> None:
        from websockets.asyncio.client import connect

        async with (
            connect(f"ws://127.0.0.1:{self._web.port}/ws/hub/") as page,
            _Peer(440) as anna,
            _Peer(1000, key) as room,
        ):
            await _say(page, "hello", token=self._token)
            await _hear(page, "hello_ack")
            invite_id = uuid4().hex  # the same one again would be the same call
            await _say(page, "call_invite", device_id=str(called.public_id), id=invite_id)
            call_id = (await _hear(page, "call_state", reply_to=invite_id))["call_id"]
            await _hear(device, "call_invite", call_id=call_id)
            await _say(device, "call_accept", call_id=call_id)
            await asyncio.gather(anna.connect(page, call_id), room.connect(device, call_id))
            await asyncio.gather(anna.heard.wait(), room.heard.wait())
            await asyncio.sleep(_TALK_S)
            for end in (page, device):
                await _say(end, "stats", call_id=call_id, samples=[{"packets_received": 50}])
            await _say(page, "call_end", call_id=call_id)
            await _hear(device, "call_end", call_id=call_id)

    async def _state(self) -> State:
        """After everything has settled; the middle one of five looks."""
        await asyncio.sleep(_SETTLE_S)
        looks = []
        for _ in range(5):
            looks.append(await asyncio.to_thread(self._look))
            await asyncio.sleep(1.0)
        rss = {name: statistics.median(look.rss[name] for look in looks) for name in looks[0].rss}
        return State(
            at_s=looks[2].at_s,
            rss=rss,
            files=min(look.files for look in looks),
            threads=min(look.threads for look in looks),
            sockets=min(look.sockets for look in looks),
            ends=min((look.ends for look in looks), key=Counter.total),
            tasks={name: min(look.tasks[name] for look in looks) for name in looks[0].tasks},
        )

    def _look(self) -> State:
        [worker] = self._media.workers()
        processes = {"worker": psutil.Process(worker.pid), "web": psutil.Process(self._web.pid)}
        return State(
            at_s=time.monotonic(),
            rss={name: float(process.memory_info().rss) for name, process in processes.items()},
            files=sum(process.num_fds() for process in processes.values()),
            threads=sum(process.num_threads() for process in processes.values()),
            sockets=sum(len(process.net_connections("all")) for process in processes.values()),
            ends=ends_of([process.pid for process in processes.values()]),
            tasks=self._web.metrics(),
        )


class _Peer:
    """One end's sound. `heard` is set by the first frame that came."""

    def __init__(self, hz: float, key: "EllipticCurvePrivateKey | None" = None) -> None:
        from aiortc import RTCConfiguration

        from tests.fakes.connection import PeerConnection
        from tests.fakes.peer import ToneTrack

        self._connection = PeerConnection(RTCConfiguration(iceServers=[]), key=key)
        self._connection.addTrack(ToneTrack(hz))
        self._connection.on("track", self._track_came)
        self._listening: asyncio.Task[None] | None = None
        self.heard = asyncio.Event()

    async def __aenter__(self) -> "_Peer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def connect(self, socket: "ClientConnection", call_id: str) -> None:
        from aiortc import RTCSessionDescription

        await self._connection.setLocalDescription(await self._connection.createOffer())
        await _say(
            socket, "webrtc_offer", call_id=call_id, sdp=self._connection.localDescription.sdp, id=call_id
        )
        answer = await _hear(socket, "webrtc_answer", call_id=call_id)
        await self._connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    def _track_came(self, track: Any) -> None:
        self._listening = asyncio.create_task(self._listen(track), name="soak listens")

    async def _listen(self, track: Any) -> None:
        from aiortc.mediastreams import MediaStreamError

        with suppress(MediaStreamError):
            while True:
                await track.recv()
                self.heard.set()


def _token(cast: "Cast") -> str:
    from households.services import api_token_create

    return api_token_create(membership=cast.anna, name="soak")[1]


async def _say(socket: "ClientConnection", type_: str, **fields: object) -> None:
    await socket.send(json.dumps({"type": type_, **fields}))


async def _hear(socket: "ClientConnection", type_: str, **fields: object) -> dict[str, Any]:
    """The next one like that. Raises RuntimeError for an error."""
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == "error":
            raise RuntimeError(message["message"])
        if message["type"] == type_ and fields.items() <= message.items():
            return dict(message)


async def _ping(socket: "ClientConnection") -> None:
    while True:
        await _say(socket, "ping")
        await asyncio.sleep(10)


def _figures(plan: Plan, rig: _Rig, warm: State, end: State, left: dict[str, int]) -> list[Figure]:
    took_s = end.at_s - warm.at_s
    grown = {name: end.rss[name] - warm.rss[name] for name in end.rss}
    per_hour = {name: bytes_ / _MB * _HOUR_S / took_s for name, bytes_ in grown.items()}
    counted = plan.calls - plan.warm_up
    said = ", ".join(f"{name} {grown[name] / _MB:+.2f} MB to {end.rss[name] / _MB:.0f} MB" for name in grown)
    tasks = sum(end.tasks.values()) - sum(warm.tasks.values())
    more = ", ".join(f"{count} {where}" for where, count in (end.ends - warm.ends).items())
    return [
        figure("R17.memory", "growth of worker or web, the larger, extrapolated to an hour", max(per_hour.values()),
               "MB/h", bar="<= 10", reference=f"{counted} calls in {took_s:.0f} s, after {plan.warm_up}: {said}"),
        figure("R17.files", "open files and sockets more than before", end.files - warm.files, "", bar="<= 0",
               reference=f"{end.files}"),
        figure("R17.sockets", "network and unix sockets more", end.sockets - warm.sockets, "", bar="<= 0",
               reference=f"more: {more or 'none'}; {dict(end.ends)}"),
        figure("R17.threads", "threads more", end.threads - warm.threads, "", bar="<= 0", reference=f"{end.threads}"),
        figure("R17.tasks", "asyncio tasks more", tasks, "", bar="<= 0", reference=str(end.tasks)),
        figure("R17.left", "live calls, open recordings and keys in Redis that should be gone", sum(left.values()), "",
               bar="= 0", reference=str(left)),
        figure("R17.failed", "calls that did not come about", rig.failed, "", bar="= 0",
               reference=f"{plan.calls} calls, {_AT_ONCE} at once"),
    ]  # fmt: skip
