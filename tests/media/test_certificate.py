"""The certificate that all connections of a process share."""

from datetime import UTC, datetime, timedelta

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTP_PROFILES, certificate_digest
from OpenSSL import SSL

from media.connection import certificate
from media.connection.certificate import SharedCertificate, shared_certificate

pytestmark = pytest.mark.unit


def exchange(ours: SSL.Connection, theirs: SSL.Connection) -> None:
    """A DTLS handshake from memory to memory."""
    ours.set_connect_state()
    theirs.set_accept_state()
    done: set[SSL.Connection] = set()
    while len(done) < 2:
        for end, other in ((ours, theirs), (theirs, ours)):
            try:
                end.do_handshake()
                done.add(end)
            except SSL.WantReadError:
                pass
            try:
                while True:
                    other.bio_write(end.bio_read(1500))
            except SSL.WantReadError:
                pass


def test_all_connections_have_one_certificate_and_one_context() -> None:
    first, second = shared_certificate(), shared_certificate()
    assert first is second
    assert first._create_ssl_context(SRTP_PROFILES) is second._create_ssl_context(SRTP_PROFILES)
    assert first._create_ssl_context(SRTP_PROFILES[:1]) is not first._create_ssl_context(SRTP_PROFILES)


def test_the_fingerprint_is_that_of_the_certificate() -> None:
    ours = SharedCertificate.generateCertificate()
    assert [(one.algorithm, one.value) for one in ours.getFingerprints()] == [
        ("sha-256", certificate_digest(ours._cert, "sha-256"))
    ]


def test_each_connection_shows_its_certificate_and_no_session_is_kept_for_another() -> None:
    """A resumed session would leave the peer's certificate unseen."""
    ours, theirs = SharedCertificate.generateCertificate(), RTCCertificate.generateCertificate()
    context = ours._create_ssl_context(SRTP_PROFILES)
    assert context.get_session_cache_mode() == SSL.SESS_CACHE_OFF
    keys = set()
    for _ in range(2):
        here = SSL.Connection(context)
        there = SSL.Connection(theirs._create_ssl_context(SRTP_PROFILES))
        exchange(there, here)
        shown = here.get_peer_certificate(as_cryptography=True)
        assert shown is not None
        assert certificate_digest(shown, "sha-256") == certificate_digest(theirs._cert, "sha-256")
        keys.add(here.export_keying_material(b"EXTRACTOR-dtls_srtp", 88))
    assert len(keys) == 2


def test_a_certificate_that_will_expire_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "_shared", [])
    first = shared_certificate()
    first.renew_at = datetime.now(tz=UTC) - timedelta(seconds=1)
    assert shared_certificate() is not first
