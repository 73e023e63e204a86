"""The certificate of the process, with all that can be made of it once and not for each connection.

Its key never leaves the process, and each answer still has its own ICE password and its own DTLS keys.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, certificate_digest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

_RENEW_BEFORE: Final = timedelta(days=7)
_DIGEST: Final = "sha-256"


def key_fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 (hex) of the SubjectPublicKeyInfo, as the hub keeps it of each claimed key."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


class SharedCertificate(RTCCertificate):
    """aiortc's, with one TLS context for all connections, and the fingerprint that every peer knows."""

    def __init__(self, key: Any, cert: Any) -> None:
        super().__init__(key, cert)
        self._contexts: dict[tuple[bytes, ...], SSL.Context] = {}
        self.fingerprint = certificate_digest(cert, _DIGEST)
        self.renew_at = self.expires - _RENEW_BEFORE

    def getFingerprints(self) -> list[RTCDtlsFingerprint]:  # noqa: N802
        return [RTCDtlsFingerprint(algorithm=_DIGEST, value=self.fingerprint)]

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        profiles = tuple(profile.openssl_profile for profile in srtp_profiles)
        context = self._contexts.get(profiles)
        if context is None:
            context = self._contexts[profiles] = super()._create_ssl_context(srtp_profiles)
            # With a session of another connection a peer would not show its certificate.
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return context


_shared: list[SharedCertificate] = []


def shared_certificate() -> SharedCertificate:
    """Made at the first call, and anew before it expires."""
    if not _shared or datetime.now(tz=UTC) > _shared[0].renew_at:
        _shared[:] = [SharedCertificate.generateCertificate()]
    return _shared[0]
