"""One readable log of many processes: each line behind the name of its process, in colour on a terminal."""

import asyncio
import os
import sys
from typing import TextIO

WIDTH = 10
COLOURS = {"web": 36, "media": 35, "speech": 32, "words": 33, "beat": 34, "device": 96, "hub": 1}
SERVER_COLOUR = 90
LINE_BYTES_MAX = 64 * 1024
READ_BYTES = 64 * 1024
_CELERY_ENDS = "worker: Warm shutdown (MainProcess)"  # that it ends is said for all processes alike


class LogLines:
    """Writes to `out`, by default standard output.

    A process writes into `descriptor(name)`; its lines appear while a loop runs that was given to `follow`.
    The pipes belong to the log and not to one process, so a grandchild that holds one open delays nobody.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.is_coloured = self.out.isatty() and "NO_COLOR" not in os.environ
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pipes: dict[str, tuple[int, int]] = {}
        self._partial: dict[str, bytes] = {}

    def say(self, name: str, text: str) -> None:
        prefix = f"{name:<{WIDTH}}"
        if self.is_coloured:
            prefix = f"\x1b[{COLOURS.get(name, SERVER_COLOUR)}m{prefix}\x1b[0m"
        self.plain(f"{prefix}| {text}")

    def plain(self, text: str) -> None:
        """A terminal that was closed must not end the hub half way through its own end."""
        try:
            print(text, file=self.out, flush=True)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.out.fileno())
            os.close(nowhere)

    def descriptor(self, name: str) -> int:
        """The writing end of the pipe of `name`, made once; give it to a child as stdout and stderr."""
        if name not in self._pipes:
            reading, writing = os.pipe()
            os.set_blocking(reading, False)
            self._pipes[name] = (reading, writing)
            if self._loop is not None:
                self._loop.add_reader(reading, self._read, name)
        return self._pipes[name][1]

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        for name, (reading, _) in self._pipes.items():
            loop.add_reader(reading, self._read, name)

    def close(self) -> None:
        """Say what is still in the pipes, then close them. The loop of `follow` must still be open."""
        for name, (reading, writing) in self._pipes.items():
            if self._loop is not None:
                self._loop.remove_reader(reading)
            self._read(name)
            if self._partial.get(name):
                self._say_bytes(name, self._partial.pop(name))
            os.close(reading)
            os.close(writing)
        self._pipes.clear()

    def _read(self, name: str) -> None:
        while True:
            try:
                data = os.read(self._pipes[name][0], READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            *lines, rest = (self._partial.pop(name, b"") + data).split(b"\n")
            for line in lines:
                self._say_bytes(name, line)
            if len(rest) > LINE_BYTES_MAX:
                self._say_bytes(name, rest)
                rest = b""
            self._partial[name] = rest

    def _say_bytes(self, name: str, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text and text != _CELERY_ENDS:
            self.say(name, text)
