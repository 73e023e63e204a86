"""The guard, and the private names of aiortc 1.16 and aioice on which it and `media.connection.rtp` lean."""

import inspect
from importlib.metadata import version

import pylibsrtp
import pytest
from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection, RTCRtpTransceiver, rtcrtpreceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCRtpSender
from pylibsrtp._binding import lib

from media.connection import guard
from media.connection.rtp import PacketReceiver

pytestmark = pytest.mark.unit


def test_it_is_pinned_to_the_version_that_was_read() -> None:
    assert version("aiortc").startswith("1.16.")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (RTCPeerConnection, ["_RTCPeerConnection__certificates", "_RTCPeerConnection__connect"]),
        (
            RTCRtpReceiver,
            [
                "_RTCRtpReceiver__codecs",
                "_RTCRtpReceiver__lsr",
                "_RTCRtpReceiver__lsr_time",
                "_RTCRtpReceiver__remote_streams",
                "_RTCRtpReceiver__rtcp_exited",
                "_RTCRtpReceiver__rtcp_started",
                "_RTCRtpReceiver__rtcp_task",
                "_RTCRtpReceiver__started",
                "_run_rtcp",
            ],
        ),
        (
            RTCRtpSender,
            [
                "_RTCRtpSender__cname",
                "_RTCRtpSender__lsr",
                "_RTCRtpSender__lsr_time",
                "_RTCRtpSender__octet_count",
                "_RTCRtpSender__packet_count",
                "_RTCRtpSender__rtcp_exited",
                "_RTCRtpSender__rtcp_started",
                "_RTCRtpSender__rtp_exited",
                "_RTCRtpSender__rtp_started",
                "_RTCRtpSender__rtp_timestamp",
                "_RTCRtpSender__rtt",
                "_run_rtcp",
                "_run_rtp",
                "_ssrc",
            ],
        ),
        (
            RTCDtlsTransport,
            [
                "_RTCDtlsTransport__rx_packets",
                "_handle_rtcp_data",
                "_handle_rtp_data",
                "_register_rtp_receiver",
                "_rx_srtp",
                "_state",
                "_tx_srtp",
            ],
        ),
        (
            Connection,
            [
                "_check_list",
                "_closed",
                "_local_username",
                "_nominated",
                "_protocols",
                "_query_consent_task",
                "_queue",
                "_remote_candidates",
                "check_start_task",
                "data_received",
                "get_component_candidates",
                "request_received",
            ],
        ),
        (StunProtocol, ["connection_lost", "connection_made", "receiver", "transactions"]),
        (RTCIceTransport, ["_connection"]),
        (pylibsrtp.Session, ["_srtp"]),
    ],
)
def test_the_names_we_lean_on_are_still_there(kind: type, names: list[str]) -> None:
    code = [function.__code__ for _, function in inspect.getmembers(kind, inspect.isfunction)]
    known = set(dir(kind)) | {name for c in code for name in c.co_names}
    assert not set(names) - known


def test_the_signatures_we_lean_on_are_still_the_same() -> None:
    assert list(inspect.signature(RTCRtpReceiver._handle_rtp_packet).parameters) == [
        "self",
        "packet",
        "arrival_time_ms",
    ]
    assert list(inspect.signature(RTCRtpReceiver.receive).parameters) == ["self", "parameters"]
    assert list(inspect.signature(RTCRtpSender._run_rtp).parameters) == ["self", "codec"]
    assert list(inspect.signature(Connection.get_component_candidates).parameters) == [
        "self",
        "component",
        "addresses",
        "timeout",
    ]
    assert list(inspect.signature(Connection.request_received).parameters) == [
        "self",
        "message",
        "addr",
        "protocol",
    ]
    names = ("srtp_protect", "srtp_protect_rtcp", "srtp_unprotect", "srtp_unprotect_rtcp")
    assert all(callable(getattr(lib, name)) for name in names)
    assert list(inspect.signature(rtcrtpreceiver.StreamStatistics).parameters) == ["clockrate"]
    assert "self.receiver.data_received(data" in inspect.getsource(StunProtocol)
    assert "receiver" in dir(RTCRtpTransceiver)


@pytest.mark.parametrize("data", [b"", bytes(guard.MAX_DATAGRAM_BYTES + 1)])
async def test_what_cannot_be_a_packet_never_reaches_the_queue(data: bytes) -> None:
    guard.install()
    connection = Connection(ice_controlling=False)
    before = guard.counters.datagrams_dropped
    connection.data_received(data, 1)
    assert connection._queue.empty()
    assert guard.counters.datagrams_dropped == before + 1
    connection.data_received(b"\x80packet", 1)
    assert connection._queue.qsize() == 1
    await connection.close()


async def test_the_queue_of_datagrams_is_bounded() -> None:
    guard.install()
    connection = Connection(ice_controlling=False)
    for _ in range(guard.MAX_QUEUED_DATAGRAMS + 100):
        connection.data_received(b"\x80packet", 1)
    assert connection._queue.qsize() == guard.MAX_QUEUED_DATAGRAMS
    await connection.close()


def test_installing_twice_wraps_once() -> None:
    guard.install()
    first = Connection.data_received
    guard.install()
    assert Connection.data_received is first


def test_a_peer_cannot_send_more_than_a_microphone_does() -> None:
    receiver = PacketReceiver.__new__(PacketReceiver)
    receiver.credit, receiver.credit_until_s = 0, 0.0
    taken = []
    for n in range(5000):
        receiver.credit -= 1
        taken.append(receiver.credit >= 0 or receiver.renew_credit(7.0 + n / 10_000))
    assert taken.count(True) == 500
    assert receiver.renew_credit(8.0)
