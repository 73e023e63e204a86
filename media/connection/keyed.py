"""A DTLS transport that knows which keys its peer may have.

The comparison is part of the handshake: with another key there are never any keys for SRTP, so no packet can be read or
written, and none costs anything for it later. The private names used below are those of aiortc 1.16;
`tests/media/test_guard.py` fails when they change.
"""

from contextlib import suppress

from aiortc import RTCDtlsTransport
from aiortc.rtcdtlstransport import RTCDtlsParameters, State, certificate_digest
from OpenSSL import SSL

from media.connection.certificate import key_fingerprint

Keys = frozenset[str] | None


class KeyedTransport(RTCDtlsTransport):
    """`keys`: fingerprints of those that the peer may have; None: any one whose certificate the offer named.

    A peer of which keys are known is refused, too, where its certificate is not the one of the offer.
    """

    keys: Keys = frozenset()  # until somebody has said it: nobody
    is_refused = False

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:  # noqa: N803
        if self.keys is not None:
            self.is_refused = not self._is_known(self.keys, remoteParameters)
        if self.is_refused:
            self._set_state(State.FAILED)
        else:
            super()._validate_peer_identity(remoteParameters)

    def _is_known(self, keys: frozenset[str], offered: RTCDtlsParameters) -> bool:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True) if self._ssl is not None else None
        if certificate is None:
            return False
        told = {(each.algorithm.lower(), each.value.upper()) for each in offered.fingerprints}
        return told == {("sha-256", certificate_digest(certificate, "sha-256"))} and (
            key_fingerprint(certificate) in keys
        )

    @property
    def is_other(self) -> bool:
        """There is a secured connection, to somebody else than expected."""
        return self.encrypted and self._state is State.FAILED

    async def stop(self) -> None:
        """Somebody else hears of the end, too: aiortc says it on working connections alone."""
        if self.is_other and self._ssl is not None:
            with suppress(SSL.Error, ConnectionError):
                self._ssl.shutdown()
            with suppress(ConnectionError):
                await self._write_ssl()
        await super().stop()
