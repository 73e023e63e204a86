"""Whether an HTTP server answers, asked without a client library."""

import asyncio
import contextlib

TIMEOUT_S = 5.0


async def answers_ok(host: str, port: int, path: str, *, name: str = "localhost") -> bool:
    """Whether GET `path` gives status 200 within 5 s. `name` is what the Host header says."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, ValueError):
        return False
    return status.split()[1:2] == [b"200"]
