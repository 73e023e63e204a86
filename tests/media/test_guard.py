"""The guard, and the private names of aiortc 1.16 and aioice on which it and `media.connection.rtp` lean."""

import inspect
from importlib.metadata import version

import pylibsrtp
import pytest
from aioice.ice import Connection, StunProtocol
from aioice.stun import Transaction
from aiortc import RTCCertificate, RTCIceGatherer, rtcrtpreceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport, RtpReceiver, RtpSender
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from pylibsrtp._binding import lib

from media.connection import guard
from media.connection.rtp import PacketReceiver

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("bare")]


def test_it_is_pinned_to_the_version_that_was_read() -> None:
    assert version("aiortc").startswith("1.16.")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (RTCCertificate, ["_create_ssl_context"]),
        (RTCIceGatherer, ["_connection"]),
        (
            RTCDtlsTransport,
            [
                "_RTCDtlsTransport__rx_packets",
                "_handle_rtcp_data",
                "_handle_rtp_data",
                "_register_rtp_receiver",
                "_register_rtp_sender",
                "_rx_srtp",
                "_set_role",
                "_set_state",
                "_ssl",
                "_state",
                "_tx_srtp",
                "_unregister_rtp_receiver",
                "_unregister_rtp_sender",
                "_validate_peer_identity",
                "_write_ssl",
            ],
        ),
        (RtpReceiver, ["_handle_disconnect", "_handle_rtcp_packet", "_handle_rtp_packet"]),
        (RtpSender, ["_handle_rtcp_packet", "_ssrc"]),
        (
            Connection,
            [
                "_add_remote_candidate",
                "_check_list",
                "_closed",
                "_closing",
                "_end_remote_candidates",
                "_local_candidates",
                "_local_candidates_end",
                "_local_candidates_start",
                "_nominated",
                "_protocols",
                "_query_consent_task",
                "_queue",
                "_remote_candidates",
                "_remote_candidates_end",
                "check_start_task",
                "data_received",
                "get_component_candidates",
                "request_received",
            ],
        ),
        (
            Transaction,
            [f"_Transaction__{name}" for name in ("addr", "retry", "timeout_handle", "tries")],
        ),
        (StunProtocol, ["connection_lost", "connection_made", "receiver", "transactions"]),
        (RTCIceTransport, ["_connection"]),
        (pylibsrtp.Session, ["_srtp"]),
    ],
)
def test_the_names_we_lean_on_are_still_there(kind: type, names: list[str]) -> None:
    code = [function.__code__ for _, function in inspect.getmembers(kind, inspect.isfunction)]
    known = set(dir(kind)) | set(inspect.get_annotations(kind)) | {name for c in code for name in c.co_names}
    assert not set(names) - known


def test_the_signatures_we_lean_on_are_still_the_same() -> None:
    assert list(inspect.signature(RTCRtpReceiver._handle_rtp_packet).parameters) == [
        "self",
        "packet",
        "arrival_time_ms",
    ]
    assert list(inspect.signature(RTCCertificate._create_ssl_context).parameters) == ["self", "srtp_profiles"]
    assert (
        "self._validate_peer_identity(remoteParameters)\n        if self._state == State.FAILED:\n            return"
        in (inspect.getsource(RTCDtlsTransport.start))
    )
    for method in (RTCDtlsTransport._register_rtp_receiver, RTCDtlsTransport._register_rtp_sender):
        assert list(inspect.signature(method).parameters)[2:] == ["parameters"]
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
