"""A goodbye and its reason, as other programs write and read them."""

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket

from protocol.rtcp import CALL_OVER, goodbye, goodbye_reason

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("reason", ["", "over", CALL_OVER])
def test_it_is_read_as_it_was_written_and_by_others(reason: str) -> None:
    packet = goodbye(0x1234_5678, reason)
    assert len(packet) % 4 == 0
    assert goodbye_reason(packet) == reason
    [known] = RtcpPacket.parse(packet)
    assert isinstance(known, RtcpByePacket)
    assert known.sources == [0x1234_5678]


@pytest.mark.parametrize(
    "packet", [b"", b"\x81", b"\x81\xcb\x00\x01", b"\x81\xcb\x00\x02aaaa\xff", bytes(40)]
)
def test_what_is_cut_short_or_something_else_has_no_words(packet: bytes) -> None:
    assert goodbye_reason(packet) == ""
