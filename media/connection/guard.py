"""A guard before aiortc 1.16, where one odd datagram must not end a call.

aioice hands datagrams on as they come, into a queue without a limit, and aiortc's receive loop ends, and
with it the connection, at the first error it did not expect. So: what cannot be a packet of ours is dropped
before the queue, the queue has a limit, and an unreadable packet inside the secured connection is counted
and dropped. `tests/media/test_guard.py` fails when the names used here change upstream.
"""

import asyncio
from functools import wraps
from typing import Any, Final

from aioice.ice import Connection
from aiortc.rtcdtlstransport import RTCDtlsTransport

from media.seldom import Seldom

MAX_DATAGRAM_BYTES: Final = 1500  # no packet of ours is larger than an Ethernet frame
MAX_QUEUED_DATAGRAMS: Final = 512  # ten seconds of one voice

_MARK: Final = "_guarded"


class Counters:
    """How much the guard dropped since the process began."""

    def __init__(self) -> None:
        self.datagrams_dropped = 0
        self.strangers_dropped = 0
        self.packets_dropped = 0


counters = Counters()
_unreadable = Seldom("packet_dropped")


def install() -> None:
    """Put the guard in place; does nothing the second time."""
    if getattr(Connection, _MARK, False):
        return
    setattr(Connection, _MARK, True)
    setattr(Connection, "data_received", _guard_datagrams(Connection.data_received))  # noqa: B010
    for name in ("_handle_rtp_data", "_handle_rtcp_data"):
        setattr(RTCDtlsTransport, name, _guard_packets(getattr(RTCDtlsTransport, name)))


async def end_consent(transport: Any) -> None:
    """End aioice's consent checks, which begin after `close` and never end where it came while connecting."""
    task: asyncio.Task[None] | None = transport._connection._query_consent_task
    if task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task})


def _guard_datagrams(inner: Any) -> Any:
    @wraps(inner)
    def data_received(self: Any, data: bytes, component: int) -> None:
        fits = 0 < len(data) <= MAX_DATAGRAM_BYTES and self._queue.qsize() < MAX_QUEUED_DATAGRAMS
        if fits:
            inner(self, data, component)
        else:
            counters.datagrams_dropped += 1

    return data_received


def _guard_packets(inner: Any) -> Any:
    @wraps(inner)
    async def handle(self: Any, data: bytes, *args: Any, **kwargs: Any) -> None:
        try:
            await inner(self, data, *args, **kwargs)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - any error of a parser would end the connection here
            counters.packets_dropped += 1
            _unreadable.warn(error=type(error).__name__)

    return handle
