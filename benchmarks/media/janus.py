"""Debian's Janus as the native reference: its videocall plugin relays two parties and records both.

Started privately: its own folder of settings, a Unix socket for its API, no other plugin or transport.
"""

import asyncio
import json
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.media.load import Caller
from benchmarks.media.servers import Server, pin, started

MISSING: Final = "Janus is not installed"
START_S: Final = 10.0
REPLY_S: Final = 10.0
_KEEPALIVE_S: Final = 20.0
_LIBRARY: Final = "/usr/lib/x86_64-linux-gnu/janus"
_ENDS_S: Final = 0.5
_TRIES: Final = 8
_MAX_MESSAGE: Final = 1 << 17


def installed() -> str | None:
    return shutil.which("janus")


def _settings(folder: Path) -> str:
    others = sorted(
        {path.name for path in Path(_LIBRARY, "plugins").glob("*.so")} - {"libjanus_videocall.so"}
    )
    doors = sorted({path.name for path in Path(_LIBRARY, "transports").glob("*.so")} - {"libjanus_pfunix.so"})
    events = sorted(path.name for path in Path(_LIBRARY, "events").glob("*.so"))
    return (
        f'general: {{ configs_folder = "{folder}" plugins_folder = "{_LIBRARY}/plugins" '
        f'transports_folder = "{_LIBRARY}/transports" debug_level = 2 }}\n'
        f'plugins: {{ disable = "{",".join(others)}" }}\n'
        f'transports: {{ disable = "{",".join(doors)}" }}\n'
        f'events: {{ broadcast = false disable = "{",".join(events)}" }}\n'
    )


class Janus(Server):
    """A client of the JSON API. One session, a handle per caller."""

    name = "janus"

    def __init__(self, pid: int, door: socket.socket, folder: Path) -> None:
        self.pid, self._door, self._folder = pid, door, folder
        self._session = 0
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._events: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        self._session = (await self._ask(janus="create"))["data"]["id"]

    async def read(self) -> None:
        while data := await self._loop.sock_recv(self._door, _MAX_MESSAGE):
            message = json.loads(data)
            if message["janus"] == "event":  # may overtake the ack of the request that caused it
                self._events[message["sender"]].put_nowait(message)
                continue
            waiting = self._replies.pop(message.get("transaction", ""), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def keep_alive(self) -> None:
        while True:
            await asyncio.sleep(_KEEPALIVE_S)
            await self._ask(janus="keepalive", session_id=self._session)

    async def connect(self, anna: Caller, ben: Caller) -> None:
        names = [secrets.token_hex(6) for _ in range(2)]
        handles = [await self._attach(name) for name in names]
        await self._message(
            handles[0], {"request": "call", "username": names[1]}, ("offer", await anna.offer())
        )
        offer = await self._event(handles[1], "incomingcall")
        await self._message(handles[1], {"request": "accept"}, ("answer", await ben.answer(offer)))
        await anna.accept(await self._event(handles[0], "accepted"))
        for handle, name in zip(handles, names, strict=True):
            path = str(self._folder / name)
            await self._message(handle, {"request": "set", "audio": True, "record": True, "filename": path})

    async def _attach(self, name: str) -> int:
        attached = await self._ask(janus="attach", session_id=self._session, plugin="janus.plugin.videocall")
        handle = int(attached["data"]["id"])
        self._events[handle] = asyncio.Queue()
        await self._message(handle, {"request": "register", "username": name})
        await self._event(handle, "registered")
        return handle

    async def _message(self, handle: int, body: dict[str, Any], jsep: tuple[str, str] | None = None) -> None:
        extra = {} if jsep is None else {"jsep": {"type": jsep[0], "sdp": jsep[1]}}
        await self._ask(janus="message", session_id=self._session, handle_id=handle, body=body, **extra)

    async def _event(self, handle: int, name: str) -> str:
        """Wait for it, and return the session description that came with it, or ""."""
        async with asyncio.timeout(REPLY_S):
            while True:
                message = await self._events[handle].get()
                data = message["plugindata"]["data"]
                if "error" in data:
                    raise RuntimeError(data["error"])
                if data.get("result", {}).get("event") == name:
                    return str(message.get("jsep", {}).get("sdp", ""))

    async def _ask(self, **request: Any) -> dict[str, Any]:
        transaction = secrets.token_hex(8)
        future = self._replies[transaction] = self._loop.create_future()
        await self._loop.sock_sendall(
            self._door, json.dumps({**request, "transaction": transaction}).encode()
        )
        reply: dict[str, Any] = await asyncio.wait_for(future, REPLY_S)
        if reply["janus"] == "error":
            raise RuntimeError(reply["error"]["reason"])
        return reply


async def _door(path: Path, process: asyncio.subprocess.Process) -> socket.socket | None:
    """None: Janus ended. Its Unix sockets have a race at the start, which it loses now and then."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.setblocking(False)
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            try:
                door.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.05)
            else:
                return door
    door.close()
    return None


async def _lasts(process: asyncio.subprocess.Process) -> bool:
    """False: it ends just after it began to listen."""
    try:
        await asyncio.wait_for(process.wait(), _ENDS_S)
    except TimeoutError:
        return True
    return False


def _terminate(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()


async def _start(stack: AsyncExitStack, folder: Path) -> Janus:
    """Raises RuntimeError where it does not start in several tries."""
    command = [installed() or "janus", "--configs-folder", str(folder), "--disable-colors"]
    for _ in range(_TRIES):
        process = await stack.enter_async_context(started(command, core=None))
        door = await _door(folder / "api", process)
        if door is not None and await _lasts(process):
            stack.enter_context(door)
            stack.callback(_terminate, process)
            pin(process.pid)
            return Janus(process.pid, door, folder)
    raise RuntimeError("Janus does not start")


@asynccontextmanager
async def janus() -> AsyncIterator[Janus]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="janus-bench-")))
        (folder / "janus.jcfg").write_text(_settings(folder))
        (folder / "janus.transport.pfunix.jcfg").write_text(
            f'general: {{ enabled = true json = "compact" path = "{folder}/api" type = "SOCK_SEQPACKET" }}\n'
        )
        server = await _start(stack, folder)
        tasks = [asyncio.create_task(server.read()), asyncio.create_task(server.keep_alive())]
        stack.push_async_callback(_end, tasks)
        await server.open()
        yield server


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
