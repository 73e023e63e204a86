"""A forwarded packet's whole way, compiled: read, decrypted, counted, kept for the recording, encrypted, sent.

It does what `PacketReceiver`, `InboundStream`, `RtpLine` and `PacketSender` do to a packet that one listener hears as
it is, and nothing else. Whatever is out of the ordinary is seen in the clear header, before anything is changed; then
the packet is left for those, and all that follow on its route wait behind it. `media.connection.routes` opens them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from media.connection.compiled import (
    array_at,
    clock_gettime,
    compiled,
    entrance,
    epoll_wait,
    pointer,
    recvmmsg,
    sendmmsg,
    srtp_protect,
    srtp_unprotect,
)
from media.connection.datagrams import AT_ONCE, HEADER, IOVEC, SLOT_BYTES, SLOTS, WAITING
from media.connection.guard import MAX_DATAGRAM_BYTES
from media.connection.tables import (
    EVENTS,
    NAME_BYTES,
    OPEN,
    PAUSED,
    PORTS,
    RECORD,
    RECORD_BYTES,
    ROUTES,
    Tables,
    find,
    tables_at,
)
from media.packets import RESTART_DISTANCE
from protocol.audio import SAMPLE_RATE_HZ
from sound.opus import MAX_PACKET_BYTES

NOTHING, OTHERS, LEFT = 0, 1, 2  # what `wait` found: bits

_MONOTONIC: Final = 1  # CLOCK_MONOTONIC
_RECORD_HEAD: Final = RECORD.itemsize
_MESSAGE_BYTES: Final = HEADER.itemsize
_HEADER_BYTES: Final = 12


@cache
def wait() -> Callable[[int, int, int], int]:
    """(addresses, epoll, milliseconds): forward until something else happens, or the time is over (-1: never).

    Returns NOTHING, or OTHERS and LEFT.
    """
    return entrance(_wait)


def _wait(at: int, epoll: int, timeout_ms: int) -> int:
    return _forward_all(tables_at(at), epoll, timeout_ms)


@compiled
def _forward_all(t: Tables, epoll: int, timeout_ms: int) -> int:
    _resume(t)
    ends_s = _now_s(t) + timeout_ms / 1000
    while True:
        count = epoll_wait(epoll, t.events.ctypes.data, EVENTS, timeout_ms)
        now_s = _now_s(t)
        found = NOTHING
        for n in range(count):
            found |= _read(t, t.events[n].fd, now_s)
        for n in range(PORTS):
            if t.ports[n].waiting > 0:
                _send(t.ports[n])
        if count <= 0 or found != NOTHING or timeout_ms == 0:
            return found
        if timeout_ms > 0:
            timeout_ms = int(np.ceil((ends_s - now_s) * 1000))
            if timeout_ms <= 0:
                return NOTHING


@compiled
def _now_s(t: Tables) -> float:
    clock_gettime(_MONOTONIC, t.time.ctypes.data)
    return float(t.time[0] + t.time[1] * 1e-9)


@compiled
def _resume(t: Tables) -> None:
    """What was left has been taken by now."""
    for n in range(PORTS):
        if t.ports[n].paused > 0:
            t.ports[n].paused = 0
            for route in range(ROUTES):
                if t.routes[route].state == PAUSED:
                    t.routes[route].state = OPEN


@compiled
def _read(t: Tables, fd: int, now_s: float) -> int:
    for number in range(PORTS):
        port = t.ports[number]
        if port.fd == fd:
            count = recvmmsg(port.fd, port.in_headers, SLOTS, WAITING, 0)
            port.received, port.left = max(count, 0), 0
            if count > 0:
                headers = array_at(pointer(port.in_headers), (SLOTS,), HEADER)
                for n in range(count):
                    is_taken = _take(t, number, n, headers[n].length, now_s)
                    t.left[number, n] = 0 if is_taken else 1
                    port.left += t.left[number, n]
            return LEFT if port.left > 0 else NOTHING
    return OTHERS


@compiled
def _send(port: Any) -> None:
    done, count, port.waiting = 0, port.waiting, 0
    while done < count:
        sent = sendmmsg(port.fd, port.out_headers + done * _MESSAGE_BYTES, count - done, AT_ONCE)
        if sent < 0:  # the first of them cannot be sent: no route, a full queue
            port.sends_failed += 1
            sent = 1
        done += sent


@compiled
def _take(t: Tables, number: int, n: int, length: int, now_s: float) -> bool:
    """Forward the packet in slot n of a port. False: it is left as it was."""
    at = t.ports[number].in_slots + n * SLOT_BYTES
    packet = array_at(pointer(at), (SLOT_BYTES,), np.uint8)
    place = find(t, _four(packet, 8)) if _is_rtp(packet, length) else -1
    if place < 0 or not _is_from(t, place, number, n):
        _pause_all_from(t, number, n)
        return False
    route = t.routes[place]
    if route.state != OPEN or not _is_usual(route, packet, length):
        route.state, t.ports[number].paused = PAUSED, 1
        return False
    t.length[0], route.is_settled = length, 0
    if srtp_unprotect(route.unprotect, at, t.length.ctypes.data) != 0:
        route.refused += 1
        return True
    body, end = _inner(packet, t.length[0])
    _count(route, packet, now_s)
    route.receiver_packets_received += 1
    route.receiver_bytes_received += end - body
    route.receiver_credit -= 1
    if not 0 < end - body <= MAX_PACKET_BYTES:
        route.receiver_packets_dropped += 1
        return True
    route.receiver_heard_at_s = now_s
    if route.is_recorded:
        _record(t.records[place], route, packet, body, end, now_s)
    _forward(t, place, packet, body, end, now_s)
    return True


@compiled
def _is_rtp(packet: Any, length: int) -> bool:
    """RFC 7983 section 7 and RFC 5761 section 4."""
    is_whole = _HEADER_BYTES < length <= MAX_DATAGRAM_BYTES
    return bool(is_whole and packet[0] & 0xC0 == 0x80 and not 192 <= packet[1] <= 208)


@compiled
def _two(packet: Any, at: int) -> int:
    return (int(packet[at]) << 8) | int(packet[at + 1])


@compiled
def _four(packet: Any, at: int) -> int:
    return (_two(packet, at) << 16) | _two(packet, at + 2)


@compiled
def _signed16(difference: int) -> int:
    return ((difference + 0x8000) & 0xFFFF) - 0x8000


@compiled
def _is_from(t: Tables, route: int, number: int, n: int) -> bool:
    """Whether the datagram in slot n came from the address, and to the port, that the route has."""
    port = t.ports[number]
    name = array_at(pointer(port.in_names + n * port.name_bytes), (NAME_BYTES,), np.uint8)
    for at in range(port.key_bytes):
        if name[at] != t.names[route, 0, at]:
            return False
    return bool(t.routes[route].in_port == number)


@compiled
def _pause_all_from(t: Tables, number: int, n: int) -> None:
    """What an open route has yet to forward may not overtake the datagram in slot n, where both have one sender."""
    for place in range(ROUTES):
        if t.routes[place].state == OPEN and _is_from(t, place, number, n):
            t.routes[place].state, t.ports[number].paused = PAUSED, 1


@compiled
def _is_usual(route: Any, packet: Any, length: int) -> bool:
    """Whether nothing but the usual is to be done: no new beginning, no wait for a limit, and room to keep it."""
    number = _two(packet, 2) + route.line_number_offset
    return bool(
        packet[1] & 0x7F == route.payload_type
        and route.receiver_credit > 0
        and abs(_signed16(number - route.line_next_number)) <= RESTART_DISTANCE
        and _signed16(number - route.line_first_number) >= 0
        and route.recorded_bytes + record_bytes(length) <= RECORD_BYTES
    )


@compiled
def _inner(packet: Any, length: int) -> tuple[int, int]:
    """As `media.connection.rtp.inner`."""
    body, end = _HEADER_BYTES + 4 * (int(packet[0]) & 0x0F), int(length)
    if packet[0] & 0x10 and body + 4 <= end:
        body += 4 + 4 * _two(packet, body + 2)
    if packet[0] & 0x20 and body < end:
        end -= int(packet[end - 1])
    return body, max(body, end)


@compiled
def _count(route: Any, packet: Any, now_s: float) -> None:
    """As `InboundStream.count`."""
    number, timestamp, arrival = _two(packet, 2), _four(packet, 4), int(now_s * SAMPLE_RATE_HZ)
    route.stream_packets_received += 1
    if not 0 < (number - route.stream_max_seq) & 0xFFFF < 0x8000:
        return
    if number < route.stream_max_seq:
        route.stream_cycles += 1 << 16
    sent = ((timestamp - route.stream_last_timestamp + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
    transit = arrival - route.stream_last_arrival - sent
    route.stream_jitter_q4 += abs(transit) - ((route.stream_jitter_q4 + 8) >> 4)
    route.stream_max_seq = number
    route.stream_last_arrival = arrival
    route.stream_last_timestamp = timestamp


@compiled
def record_bytes(size: int) -> int:
    """What a packet with a payload of that size takes of the records, where each begins at an eighth byte."""
    return _RECORD_HEAD + (size + 7) // 8 * 8


@compiled
def _record(records: Any, route: Any, packet: Any, body: int, end: int, now_s: float) -> None:
    begin, size = route.recorded_bytes, end - body
    head = array_at(pointer(np.int64(records.ctypes.data) + begin), (1,), RECORD)[0]
    head.arrival_s, head.timestamp = now_s, _four(packet, 4)
    head.number, head.length = _two(packet, 2), size
    records[begin + _RECORD_HEAD : begin + _RECORD_HEAD + size] = packet[body:end]
    route.recorded_bytes = begin + record_bytes(size)


@compiled
def _forward(t: Tables, place: int, packet: Any, body: int, end: int, now_s: float) -> None:
    """As `RtpLine.forward` and `PacketSender` do: another header, another key, into the next outgoing slot."""
    route = t.routes[place]
    number = (_two(packet, 2) + route.line_number_offset) & 0xFFFF
    timestamp = (_four(packet, 4) + route.line_timestamp_offset) & 0xFFFF_FFFF
    if _signed16(number - route.line_next_number) >= 0:
        route.line_next_number = (number + 1) & 0xFFFF
        route.line_timestamp, route.line_sent_at_s = timestamp, now_s
        if _signed16(number - route.line_first_number) > RESTART_DISTANCE:
            route.line_first_number = (number - RESTART_DISTANCE) & 0xFFFF
    port = t.ports[route.out_port]
    at = port.out_slots + port.waiting * SLOT_BYTES
    out = array_at(pointer(at), (SLOT_BYTES,), np.uint8)
    _write_header(out, route.out_payload_type, number, timestamp, route.out_ssrc)
    size = end - body
    out[_HEADER_BYTES : _HEADER_BYTES + size] = packet[body:end]
    t.length[0] = _HEADER_BYTES + size
    if srtp_protect(route.protect, at, t.length.ctypes.data) != 0:
        route.sender_packets_dropped += 1
        return
    _put(port, t.names[place, 1], t.length[0])
    route.sender_sent_at_s, route.sender_rtp_timestamp = now_s, timestamp
    route.sender_octet_count += size
    route.sender_packet_count += 1


@compiled
def _write_header(out: Any, payload_type: int, number: int, timestamp: int, ssrc: int) -> None:
    """RFC 3550 section 5.1."""
    out[0], out[1], out[2], out[3] = 0x80, payload_type, number >> 8, number & 0xFF
    for n in range(4):
        out[4 + n] = (timestamp >> (24 - 8 * n)) & 0xFF
        out[8 + n] = (ssrc >> (24 - 8 * n)) & 0xFF


@compiled
def _put(port: Any, name: Any, length: int) -> None:
    """The next outgoing slot is filled."""
    n = port.waiting
    names = array_at(pointer(port.out_names), (SLOTS * NAME_BYTES,), np.uint8)
    names[n * port.name_bytes : n * port.name_bytes + port.key_bytes] = name[: port.key_bytes]
    array_at(pointer(port.out_iovecs), (SLOTS,), IOVEC)[n].length = length
    port.waiting = n + 1
    if port.waiting == SLOTS:
        _send(port)
