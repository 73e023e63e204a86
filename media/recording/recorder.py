"""One voice to one Ogg Opus file, from the packets as they come. Nothing is decoded.

The loop only collects packets; order, time, pages and the disk are the business of one thread.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from media.packets import MicPacket
from media.recording.voicefile import FinishedFile, VoiceFile
from media.supervise import log_failure

log = structlog.get_logger(__name__)
ResultT = TypeVar("ResultT")

FLUSH_S: Final = 0.5
MAX_BATCH: Final = 1000  # packets; what a network held up for 20 seconds may come at once
MAX_JOBS: Final = 512


class FileThread:
    """Runs short jobs one after the other in one thread, so that a slow disk never holds up the loop."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # no job comes behind the end of the queue, where nobody would take it
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> bool:
        """False: the queue is full or the thread is closed, and the job was not taken."""
        return self._jobs.qsize() < MAX_JOBS and self._put(job)

    async def call(self, job: Callable[[], ResultT]) -> ResultT:
        """Run a job after those before it and wait for its result. Raises what the job raises.

        Takes it also where the queue is full: at the end of a file there are few. Raises RuntimeError after `close`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()

        def run() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - raised again where it is awaited
                loop.call_soon_threadsafe(_fail, future, error)
            else:
                loop.call_soon_threadsafe(_fulfil, future, result)

        if not self._put(run):
            raise RuntimeError("The thread for files is closed.")
        return await future  # who waits may be cancelled; the job is done all the same

    def close(self) -> None:
        """Finish the jobs that are queued and end the thread; may wait for the disk, so not on the loop."""
        with self._lock:
            self._is_closed = True
            self._jobs.put(None)
        self._thread.join()

    def _put(self, job: Callable[[], None]) -> bool:
        with self._lock:
            if not self._is_closed:
                self._jobs.put(job)
            return not self._is_closed

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - the files of all other legs need this thread
                log_failure("recorder_job_failed", error)


def _fulfil(future: "asyncio.Future[ResultT]", result: ResultT) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[ResultT]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class Recorder:
    """The loop's side of a file. `push` and `tick` are cheap; `finish` waits for the disk."""

    def __init__(
        self,
        thread: FileThread,
        path: Path,
        *,
        started_at_s: float,
        key: bytes | None = None,
        max_s: float | None = None,
    ) -> None:
        self._thread = thread
        self._started_at_s = started_at_s
        self._max_s = max_s
        self._key = key
        self._batch: list[MicPacket] = []
        self._flushed_at_s = started_at_s
        self._file: VoiceFile | None = None
        self.path = path
        self.packets_dropped = 0
        self._submit(lambda: self._open(path))

    def push(self, packet: MicPacket) -> None:
        if self._max_s is not None and packet.arrival_s - self._started_at_s > self._max_s:
            return
        if len(self._batch) >= MAX_BATCH:
            self.packets_dropped += 1
            return
        self._batch.append(packet)

    def tick(self, now_s: float) -> None:
        """Hand over what was collected, every half second.

        The worker does it for all its legs at one moment, so that the thread wakes once for all of them.
        """
        if self._batch and now_s - self._flushed_at_s >= FLUSH_S:
            self._flushed_at_s = now_s
            batch, self._batch = self._batch, []
            if not self._submit(lambda: self._append(batch)):
                self.packets_dropped += len(batch)

    async def finish(self, *, ended_at_s: float) -> FinishedFile | None:
        """The finished file, or None where the disk refused it."""
        batch, self._batch = self._batch, []
        if self._max_s is not None:
            ended_at_s = min(ended_at_s, self._started_at_s + self._max_s)
        return await self._thread.call(lambda: self._finish(batch, ended_at_s))

    async def discard(self) -> None:
        await self._thread.call(self._discard)

    def _submit(self, job: Callable[[], None]) -> bool:
        return self._thread.submit(job)

    def _open(self, path: Path) -> None:
        try:
            self._file = VoiceFile(path, started_at_s=self._started_at_s, key=self._key)
        except OSError as error:
            log.error("recording_not_opened", errno=error.errno)

    def _append(self, batch: list[MicPacket]) -> None:
        if self._file is None:
            self.packets_dropped += len(batch)
            return
        try:
            self._file.write(batch)
        except OSError as error:
            self.packets_dropped += len(batch)
            log.error("recording_not_written", errno=error.errno)

    def _finish(self, batch: list[MicPacket], ended_at_s: float) -> FinishedFile | None:
        file, self._file = self._file, None
        if file is None:
            return None
        try:
            file.write(batch)
            return file.finish(ended_at_s=ended_at_s)
        except OSError as error:
            log.error("recording_not_finished", errno=error.errno)
            return None

    def _discard(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.discard()


def free_path(root: Path, name: str) -> Path | None:
    """The path of a new file under `root`, with -2, -3 … where the name is taken; None for one outside it.

    `root` is resolved.
    """
    path = (root / name).resolve()
    if not path.is_relative_to(root) or path == root:
        return None
    candidate, number = path, 1
    while candidate.exists() or candidate.with_name(candidate.name + ".part").exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate
