"""A house with a foreign device: Daphne as it is run, and GStreamer's webrtcbin in a process of its own."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np

from tests.fakes.media_program import ROOT, environment
from tests.fakes.peer import Samples, level_db
from tests.operate.hub_process import free_port

SYSTEM_PYTHON = "/usr/bin/python3"  # has Debian's bindings of GStreamer
SCRIPT = Path(__file__).with_name("device.py")
WAIT_S = 20.0
START_S = 60.0
RATE = 48_000
TONE = "audiotestsrc is-live=true wave=sine freq={} volume=0.4"
FILE = "filesink buffer-mode=unbuffered append=true sync=false location={}"
LOOK_S = 0.05


class Web:
    """`with Web(log=...) as web`: `web.url` is the hub's address."""

    def __init__(self, *, log: Path) -> None:
        self.log, self.port = log, free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Web":
        command = [
            sys.executable,
            "-m",
            "daphne",
            "-b",
            "127.0.0.1",
            "-p",
            str(self.port),
            "config.asgi:application",
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log)
        deadline_s = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(LOOK_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False


class ForeignDevice:
    """`async with ForeignDevice(url, token, folder) as device`: it connects, and says `hz`."""

    def __init__(self, url: str, token: str, folder: Path, *words: str, hz: float = 1000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.heard_file, self.log = folder / "heard.raw", folder / "device.log"
        self.told: list[dict[str, Any]] = []
        self._command = [SYSTEM_PYTHON, str(SCRIPT), "--url", f"{url}/api/v1/whip", "--token", token]
        self._command += ["--source", TONE.format(hz), "--sink", FILE.format(self.heard_file), *words]

    async def __aenter__(self) -> "ForeignDevice":
        self.heard_file.touch()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        self._reading = asyncio.create_task(self._read(), name="foreign device")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading

    async def tells(self, event: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """The `count`-th time, past or future, that it told this."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            found = [t for t in self.told if t["event"] == event and fields.items() <= t.items()]
            if len(found) >= count:
                return found[count - 1]
            is_in_time = self.process.returncode is None and time.monotonic() < deadline_s
            assert is_in_time, (self.told, self.log.read_text())
            await asyncio.sleep(LOOK_S)

    async def hang_up(self) -> None:
        self.process.terminate()
        await self.process.wait()

    async def hears(self, hz: float, *, seconds: float = 0.5, within_s: float = WAIT_S) -> Samples:
        """The newest `seconds` of sound, once they are loud at `hz`. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            begin = self.heard_file.stat().st_size
            while True:
                size = self.heard_file.stat().st_size
                if size - begin >= 2 * seconds * RATE:
                    samples = self.heard()[-round(seconds * RATE) :]
                    if level_db(samples, hz) > -20:
                        return samples
                await asyncio.sleep(LOOK_S)

    def heard(self) -> Samples:
        data = self.heard_file.read_bytes()
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)

    async def _read(self) -> None:
        if self.process.stdout is None:
            return
        async for line in self.process.stdout:
            self.told.append(json.loads(line))
