"""What Python and the compiled side of direct routes both know: the tables of ports, routes and recorded packets.

They are NumPy records. Only one side runs at a time, so there is nothing to lock.
"""

import platform
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from media.connection.compiled import array_at, compiled, entrance, pointer
from media.connection.datagrams import SLOTS

PORTS: Final = 8
ROUTES: Final = 256
NAME_BYTES: Final = 28  # the longest socket address
RECORD_BYTES: Final = 1 << 16  # of one route, until they are fetched
RECORD: Final = np.dtype([("arrival_s", "f8"), ("timestamp", "u4"), ("number", "u2"), ("length", "u2")])
EVENTS: Final = 64
# struct epoll_event: packed on x86-64 alone (epoll_wait(2)).
EVENT: Final = (
    np.dtype([("events", "u4"), ("fd", "i4"), ("rest", "i4")])
    if platform.machine() == "x86_64"
    else np.dtype([("events", "u4"), ("padding", "u4"), ("fd", "i4"), ("rest", "i4")])
)

FREE, OPEN, PAUSED = 0, 1, 2  # states of a route

_INDEX: Final = 1024  # places, four times the routes

PORT: Final = np.dtype(
    [
        ("fd", "i8"),  # -1: no port
        ("key_bytes", "i8"),
        ("name_bytes", "i8"),
        *((name, "i8") for name in ("in_slots", "in_headers", "in_names")),  # addresses
        *((name, "i8") for name in ("out_slots", "out_headers", "out_iovecs", "out_names")),
        ("received", "i8"),  # datagrams of the newest batch
        ("left", "i8"),  # so many of them are left for Python
        ("paused", "i8"),  # routes of its senders wait until Python has taken those
        ("waiting", "i8"),  # filled outgoing slots
        ("sends_failed", "i8"),
    ]
)

# Fields named after an object are its attributes while a route is open (`media.connection.routes`).
STREAM: Final = ("packets_received", "max_seq", "cycles", "_jitter_q4", "_last_arrival", "_last_timestamp")
RECEIVER: Final = ("packets_received", "bytes_received", "packets_dropped", "credit", "heard_at_s")
LINE: Final = (
    "_next_number",
    "_timestamp",
    "_number_offset",
    "_timestamp_offset",
    "_first_number",
    "_sent_at_s",
)
SENDER: Final = (
    "packets_dropped",
    "sent_at_s",
    "rtp_timestamp",
    "octet_count",
    "packet_count",
)


def field(kind: str, attribute: str) -> str:
    """The name in a route of what an object of that kind knows."""
    return f"{kind}_{attribute.lstrip('_')}"


def _fields() -> list[tuple[str, str]]:
    kinds = {"stream": STREAM, "receiver": RECEIVER, "line": LINE, "sender": SENDER}
    names = [field(kind, attribute) for kind, attributes in kinds.items() for attribute in attributes]
    return [(name, "f8" if name.endswith("_s") else "i8") for name in names]


_ROUTE_FIELDS: Final = [
    ("state", "i8"),
    ("ssrc", "i8"),
    ("payload_type", "i8"),
    ("in_port", "i8"),
    ("unprotect", "i8"),  # address of libsrtp's session
    ("is_recorded", "i8"),
    ("recorded_bytes", "i8"),
    ("refused", "i8"),  # packets whose encryption did not hold
    ("is_settled", "i8"),  # nothing came since Python looked
    ("out_port", "i8"),
    ("out_payload_type", "i8"),
    ("out_ssrc", "i8"),
    ("protect", "i8"),
    *_fields(),
]
ROUTE: Final = np.dtype(_ROUTE_FIELDS)
ROUTE_NAMES: Final = [name for name, _ in _ROUTE_FIELDS]


class Tables(NamedTuple):
    """All that the compiled functions know, shared with Python, which looks while none of them runs."""

    ports: Any  # PORT[PORTS]
    left: Any  # uint8[PORTS, SLOTS]: 1 for a datagram that Python takes
    routes: Any  # ROUTE[ROUTES]
    names: Any  # uint8[ROUTES, 2, NAME_BYTES]: the keys of sender and listener
    records: Any  # uint8[ROUTES, RECORD_BYTES]: RECORD and payload, one after the other
    index: Any  # int64[_INDEX]: routes by SSRC, -1 where none is
    events: Any  # EVENT[EVENTS]
    length: Any  # int32[1], for libsrtp
    time: Any  # int64[2], for the clock


def tables() -> Tables:
    """Empty ones. Memory that is never written costs nothing."""
    ports = np.zeros(PORTS, PORT)
    ports["fd"] = -1
    return Tables(
        ports=ports,
        left=np.zeros((PORTS, SLOTS), np.uint8),
        routes=np.zeros(ROUTES, ROUTE),
        names=np.zeros((ROUTES, 2, NAME_BYTES), np.uint8),
        records=np.zeros((ROUTES, RECORD_BYTES), np.uint8),
        index=np.full(_INDEX, -1, np.int64),
        events=np.zeros(EVENTS, EVENT),
        length=np.zeros(1, np.int32),
        time=np.zeros(2, np.int64),
    )


def addresses(t: Tables) -> Any:
    """Where the tables lie, for the entrances; int64, as many as there are tables."""
    return np.array([table.ctypes.data for table in t], np.int64)


@cache
def index_routes() -> Callable[[int], int]:
    """(addresses): write the index anew."""
    return entrance(_index_routes)


@compiled
def tables_at(at: int) -> Tables:
    places = array_at(pointer(at), (9,), np.int64)
    return Tables(
        array_at(pointer(places[0]), (PORTS,), PORT),
        array_at(pointer(places[1]), (PORTS, SLOTS), np.uint8),
        array_at(pointer(places[2]), (ROUTES,), ROUTE),
        array_at(pointer(places[3]), (ROUTES, 2, NAME_BYTES), np.uint8),
        array_at(pointer(places[4]), (ROUTES, RECORD_BYTES), np.uint8),
        array_at(pointer(places[5]), (_INDEX,), np.int64),
        array_at(pointer(places[6]), (EVENTS,), EVENT),
        array_at(pointer(places[7]), (1,), np.int32),
        array_at(pointer(places[8]), (2,), np.int64),
    )


@compiled
def find(t: Tables, ssrc: int) -> int:
    """The route of that sender, or -1."""
    place = ssrc & (_INDEX - 1)
    while t.index[place] >= 0 and t.routes[t.index[place]].ssrc != ssrc:
        place = (place + 1) & (_INDEX - 1)
    return int(t.index[place])


def _index_routes(at: int) -> int:
    t = tables_at(at)
    t.index[:] = -1
    count = 0
    for route in range(ROUTES):
        if t.routes[route].state != FREE:
            _add_to_index(t, route)
            count += 1
    return count


@compiled
def _add_to_index(t: Tables, route: int) -> None:
    place = t.routes[route].ssrc & (_INDEX - 1)
    while t.index[place] >= 0:
        place = (place + 1) & (_INDEX - 1)
    t.index[place] = route
