"""One port for HTTP and WebSocket, which can be pulled like a cable."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

Answer = Callable[[str, str, bytes], tuple[int, bytes]]


class Front:
    """`answer` gets method, path and body, and gives status and body. A WebSocket goes on to the port `behind`."""

    def __init__(self, answer: Answer, *, port: int = 0) -> None:
        self.port, self.behind = port, 0
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """For whoever comes from now on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def cut(self) -> None:
        """No close handshake."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._serving.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve_one(reader, writer)
        finally:
            writer.close()
            self._writers.discard(writer)
            self._serving.discard(task)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if b"upgrade: websocket" in head.lower():
            await self._pipe(head, reader, writer)
            return
        fields = (line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in fields}
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        status, content = self._answer(method, path, body)
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
            + content
        )
        await writer.drain()

    async def _pipe(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.behind)
        up_writer.write(head)
        try:
            await asyncio.gather(_copy(reader, up_writer), _copy(up_reader, writer))
        finally:
            up_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
