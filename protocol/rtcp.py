"""RTCP's goodbye and its reason (RFC 3550 section 6.6), by which a device knows that its call is over, and has not
moved, while the rest of the hub is away."""

import struct
from typing import Final

CALL_OVER: Final = "call over"
_BYE: Final = 203
_HEADER: Final = struct.Struct("!BBHI")
_ONE_SOURCE: Final = 0x81


def goodbye(ssrc: int, reason: str = "") -> bytes:
    """A packet. `reason` is ASCII, at most 255 characters."""
    text = bytes([len(reason)]) + reason.encode("ascii") if reason else b""
    text += bytes(-len(text) % 4)
    return _HEADER.pack(_ONE_SOURCE, _BYE, 1 + len(text) // 4, ssrc) + text


def goodbye_reason(packet: bytes) -> str:
    """Of one that `goodbye` made; "" for every other packet."""
    if len(packet) <= _HEADER.size:
        return ""
    first, kind, _, _ = _HEADER.unpack_from(packet)
    if (first, kind) != (_ONE_SOURCE, _BYE):
        return ""
    begin = _HEADER.size + 1
    return packet[begin : begin + packet[_HEADER.size]].decode("ascii", "replace")
