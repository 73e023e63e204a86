"""A guard before aiortc 1.16 on the device, which talks to its hub alone.

aioice hands on every datagram from anybody, into a queue without a limit, and aiortc's receive loop ends, and with it
the connection, at the first error it did not expect. So here: what is no STUN message counts only from an address that
ICE knows, what cannot be a packet of ours is dropped, the queue has a limit, and an unreadable packet inside the
secured connection is counted and dropped. The worker has a guard of its own for what strangers may do to a hub.
`tests/agent/test_guard.py` fails when the names used here change upstream.
"""

import asyncio
import time
from functools import wraps
from typing import Any, Final

import structlog
from aioice.ice import Connection, StunProtocol
from aiortc.rtcdtlstransport import RTCDtlsTransport

from protocol.rtcp import CALL_OVER, goodbye_reason

log = structlog.get_logger(__name__)

MAX_DATAGRAM_BYTES: Final = 1500
MAX_QUEUED_DATAGRAMS: Final = 512  # ten seconds of one voice

_MARK: Final = "_agent_guarded"
_HEARD: Final = "_agent_heard"


class Heard:
    """What came over one secured connection, all of it authenticated. Times are monotonic."""

    def __init__(self) -> None:
        self.rtp_count = 0
        self.is_over = False  # the worker closes the connection since the call has ended
        self.rtp_at_s = self.packet_at_s = time.monotonic()

    def note(self, *, is_rtp: bool) -> None:
        self.packet_at_s = time.monotonic()
        if is_rtp:
            self.rtp_count, self.rtp_at_s = self.rtp_count + 1, self.packet_at_s


class Counters:
    """How much the guard dropped since the program began."""

    def __init__(self) -> None:
        self.datagrams_dropped = 0
        self.packets_dropped = 0


counters = Counters()


def install() -> None:
    """Put the guard in place; does nothing the second time."""
    if getattr(Connection, _MARK, False):
        return
    setattr(Connection, _MARK, True)
    for kind, name, guarded in (
        (StunProtocol, "datagram_received", _guard_addresses(StunProtocol.datagram_received)),
        (Connection, "data_received", _guard_datagrams(Connection.data_received)),
        (
            RTCDtlsTransport,
            "_handle_rtp_data",
            _guard_packets(RTCDtlsTransport._handle_rtp_data, is_rtp=True),
        ),
        (
            RTCDtlsTransport,
            "_handle_rtcp_data",
            _guard_packets(RTCDtlsTransport._handle_rtcp_data, is_rtp=False),
        ),
    ):
        setattr(kind, name, guarded)


async def end_consent(transport: Any) -> None:
    """End aioice's consent checks, which begin after `close` and never end where it came while connecting."""
    task: asyncio.Task[None] | None = transport._connection._query_consent_task
    if task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task})


def heard(transport: Any) -> Heard:
    """Of a DTLS transport; made at the first look."""
    found: Heard | None = getattr(transport, _HEARD, None)
    if found is None:
        found = Heard()
        setattr(transport, _HEARD, found)
    return found


def _guard_addresses(inner: Any) -> Any:
    @wraps(inner)
    def datagram_received(self: Any, data: bytes, addr: tuple[Any, ...]) -> None:
        # RFC 7983: the first byte of a STUN message is 0 to 3; aioice authenticates those itself.
        is_stun = bool(data) and data[0] <= 3
        if is_stun or any(pair.remote_addr == addr[:2] for pair in self.receiver._check_list):
            inner(self, data, addr)
        else:
            counters.datagrams_dropped += 1

    return datagram_received


def _guard_datagrams(inner: Any) -> Any:
    @wraps(inner)
    def data_received(self: Any, data: bytes, component: int) -> None:
        if 0 < len(data) <= MAX_DATAGRAM_BYTES and self._queue.qsize() < MAX_QUEUED_DATAGRAMS:
            inner(self, data, component)
        else:
            counters.datagrams_dropped += 1

    return data_received


def _guard_packets(inner: Any, *, is_rtp: bool) -> Any:
    @wraps(inner)
    async def handle(self: Any, data: bytes, *args: Any, **kwargs: Any) -> None:
        heard(self).note(is_rtp=is_rtp)
        if not is_rtp and goodbye_reason(data) == CALL_OVER:
            heard(self).is_over = True
        try:
            await inner(self, data, *args, **kwargs)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - any error of a parser would end the connection here
            counters.packets_dropped += 1
            log.warning("A packet could not be read and was dropped.", error=type(error).__name__)

    return handle
