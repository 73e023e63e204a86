"""aiortc and aioice as they come: worker and agent have a guard each, and a test process may have met both."""

import inspect

import pytest
from aioice.ice import Connection, StunProtocol
from aiortc.rtcdtlstransport import RTCDtlsTransport

_GUARDED = (
    (StunProtocol, "datagram_received"),
    (Connection, "data_received"),
    (RTCDtlsTransport, "_handle_rtp_data"),
    (RTCDtlsTransport, "_handle_rtcp_data"),
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any guard until the test puts one there, which ends with the test."""
    for kind, name in _GUARDED:
        monkeypatch.setattr(kind, name, inspect.unwrap(getattr(kind, name)))
    for mark in ("_guarded", "_agent_guarded"):
        monkeypatch.setattr(Connection, mark, False, raising=False)
