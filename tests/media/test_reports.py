"""Counting a stream, and RTCP in both directions, against aiortc's own."""

import asyncio
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
)
from hypothesis import given
from hypothesis import strategies as st

from media.connection import reports
from media.connection.reports import InboundStream, Reporter, Reports

pytestmark = pytest.mark.unit


def counted(numbers: list[int], *, step_s: float = 0.02) -> InboundStream:
    stream = InboundStream()
    for place, number in enumerate(numbers):
        stream.count(number & 0xFFFF, number * 960 & 0xFFFF_FFFF, place * step_s)
    return stream


def test_a_steady_stream_has_no_loss_and_no_jitter_over_a_wrap_of_its_numbers() -> None:
    stream = counted(list(range(65_400, 65_700)))
    assert (stream.packets_received, stream.packets_lost, stream.jitter) == (300, 0, 0)
    assert stream.cycles == 1 << 16


def test_the_timestamps_may_wrap_too() -> None:
    stream = InboundStream()
    for n in range(50):
        stream.count(n, (0xFFFF_F000 + 960 * n) & 0xFFFF_FFFF, n * 0.02)
    assert stream.jitter == 0


def test_lost_late_and_repeated_packets_are_counted_as_aiortc_does() -> None:
    numbers = [1, 2, 3, 6, 5, 7, 7, 8, 20]
    theirs = StreamStatistics(48_000)
    for number in numbers:
        theirs.add(RtpPacket(sequence_number=number, timestamp=number * 960))
    ours = counted(numbers)
    assert ours.packets_lost == theirs.packets_lost
    assert ours.fraction_lost == theirs.fraction_lost
    assert ours.max_seq == theirs.max_seq


def test_jitter_is_that_of_rfc_3550() -> None:
    stream = InboundStream()
    jitter = 0.0
    for n in range(200):
        late_s = 0.01 * (n % 2)
        stream.count(n, n * 960, n * 0.02 + late_s)
        if n:
            jitter += (480 - jitter) / 16
    assert stream.jitter == pytest.approx(jitter, abs=3)


class Ends:
    """Both halves of a connection, with the fields that reports read and write."""

    def __init__(self, *, sent: int = 0) -> None:
        self.receiver: Any
        self.sender: Any
        self.receiver = SimpleNamespace(streams={5: counted(list(range(10)))}, lsr={}, lsr_at_s={})
        self.sent: list[bytes] = []
        self.sender = SimpleNamespace(
            _ssrc=77,
            sent_at_s=1.0,
            reported_loss=None,
            send_rtcp=self.sent.append,
            packet_count=sent,
            octet_count=100 * sent,
            rtp_timestamp=4800,
            cname="somebody",
            lsr=None,
            lsr_at_s=None,
            rtt_s=None,
        )
        self.reports = Reports(self.receiver, self.sender)


def test_who_sends_reports_as_a_sender() -> None:
    ends = Ends(sent=3)
    report, source = RtcpPacket.parse(ends.reports.write(1.5))
    assert isinstance(report, RtcpSrPacket)
    assert isinstance(source, RtcpSdesPacket)
    assert (report.ssrc, report.sender_info.packet_count, report.sender_info.octet_count) == (77, 3, 300)
    assert [(block.ssrc, block.highest_sequence, block.packets_lost) for block in report.reports] == [
        (5, 9, 0)
    ]
    assert source.chunks[0].items == [(1, b"somebody")]


def test_who_only_hears_reports_as_a_receiver() -> None:
    report, _ = RtcpPacket.parse(Ends().reports.write(1.5))
    assert isinstance(report, RtcpRrPacket)
    assert [block.ssrc for block in report.reports] == [5]


def test_the_round_trip_is_measured_from_an_answered_report() -> None:
    ends = Ends(sent=3)
    RtcpPacket.parse(ends.reports.write(10.0))
    block = RtcpReceiverInfo(
        ssrc=77, fraction_lost=64, packets_lost=0, highest_sequence=0, jitter=0,
        lsr=ends.sender.lsr, dlsr=65536 // 2,
    )  # fmt: skip
    ends.reports.read(memoryview(bytes(RtcpRrPacket(ssrc=5, reports=[block]))), 10.58)
    assert ends.sender.rtt_s == pytest.approx(0.08, abs=0.001)
    assert ends.sender.reported_loss == 0.25


def test_a_senders_report_is_answered_with_its_time() -> None:
    ends = Ends()
    info = RtcpSenderInfo(ntp_timestamp=0x1111_2222_3333_4444, rtp_timestamp=0, packet_count=0, octet_count=0)
    ends.reports.read(memoryview(bytes(RtcpSrPacket(ssrc=5, sender_info=info))), 20.0)
    report, _ = RtcpPacket.parse(ends.reports.write(20.25))
    assert isinstance(report, RtcpRrPacket)
    assert (report.reports[0].lsr, report.reports[0].dlsr) == (0x2222_3333, 65536 // 4)


@given(st.binary(max_size=200))
def test_what_no_report_looks_like_changes_nothing(data: bytes) -> None:
    ends = Ends(sent=3)
    for head in (b"", struct.pack("!BBH", 0x9F, 200, 3), struct.pack("!BBH", 0x81, 201, 0xFFFF)):
        ends.reports.read(memoryview(head + data), 1.0)
    assert ends.sender.rtt_s is None


def test_a_goodbye_is_passed_over() -> None:
    ends = Ends(sent=3)
    ends.reports.read(memoryview(bytes(RtcpByePacket(sources=[5]))), 1.0)
    assert list(ends.receiver.streams) == [5]


async def test_a_report_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "INTERVAL_S", 0.04)
    told = asyncio.Event()

    def fail(_: float) -> None:
        raise TypeError

    broken, whole, clock = Ends().reports, Ends().reports, Reporter()
    monkeypatch.setattr(broken, "report", fail)
    monkeypatch.setattr(whole, "report", lambda _: told.set())
    for _ in range(2):  # both before and after it in the order
        clock.add(broken)
    clock.add(whole)
    try:
        for _ in range(3):
            told.clear()
            await asyncio.wait_for(told.wait(), 5)
    finally:
        clock.discard(broken)
        clock.discard(whole)
