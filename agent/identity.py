"""The device's key, which never leaves it, and what the hub gave it for that key."""

import base64
import contextlib
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.errors import EnrollmentRefusedError
from agent.files import make_private_dir, remove, sync_dir, write_atomically
from agent.transfer import transfer_read
from protocol.enrollment import Enrollment
from protocol.identity import login_text, next_key_text
from protocol.words import fingerprint_words

log = structlog.get_logger(__name__)

KEY_FILE = "key.pem"
NEXT_KEY_FILE = "next-key.pem"
ENROLLMENT_FILE = "enrollment.json"
_NO_OTHER_KEY = "This device has made no other key."


class StoredEnrollment(BaseModel):
    """What is kept of a claim."""

    model_config = ConfigDict(frozen=True)

    hub_url: str
    enrolled_at: datetime
    enrollment: Enrollment


def spki_sha256(public_key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 (hex) of the SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7)."""
    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


class Identity:
    """The data directory's key and enrollment. At most one of these per directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        make_private_dir(data_dir)
        self._finish_key_change()
        self._next_key: ec.EllipticCurvePrivateKey | None = None
        self._key = self._load_key(KEY_FILE) or self._make_key(KEY_FILE)
        self.stored = self._load_enrollment()

    # --- the key ---------------------------------------------------------------------------

    @property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        return self._key

    @property
    def fingerprint_sha256(self) -> str:
        return spki_sha256(self._key.public_key())

    @property
    def words(self) -> str:
        """The key as four words, which the page shows, too."""
        return " ".join(fingerprint_words(self.fingerprint_sha256))

    def csr_pem(self, serial: str) -> str:
        """PKCS #10 request (RFC 2986) with the serial as common name."""
        return _csr_pem(self._key, serial)

    def next_csr_pem(self, serial: str) -> str:
        """The same for the key that shall come after this one: it is made now, and is the same until then."""
        self._next_key = self._next_key or self._make_key(NEXT_KEY_FILE)
        return _csr_pem(self._next_key, serial)

    def sign_login(self, *, nonce: str) -> str:
        """Base64 of the DER ECDSA signature that `hello` carries: to our own hub, in the epoch of our key."""
        text = login_text(nonce=nonce, hub_id=self.hub_id, device_id=str(self.device_id), epoch=self.epoch)
        return self._sign(text)

    def sign_next_key(self) -> str:
        """What proves to the hub that the key of next_csr_pem() is this device's. Raises EnrollmentRefusedError."""
        if self._next_key is None:
            raise EnrollmentRefusedError(_NO_OTHER_KEY)
        fingerprint = spki_sha256(self._next_key.public_key())
        text = next_key_text(device_id=str(self.device_id), epoch=self.epoch + 1, fingerprint=fingerprint)
        return self._sign(text)

    def _sign(self, text: bytes) -> str:
        return base64.b64encode(self._key.sign(text, ec.ECDSA(hashes.SHA256()))).decode("ascii")

    def _load_key(self, file_name: str) -> ec.EllipticCurvePrivateKey | None:
        path = self.data_dir / file_name
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except FileNotFoundError:
            return None
        except ValueError:
            log.warning("The key file is damaged. This device makes a new key and must be claimed again.")
            return None
        return key if isinstance(key, ec.EllipticCurvePrivateKey) else None

    def _make_key(self, file_name: str) -> ec.EllipticCurvePrivateKey:
        key = ec.generate_private_key(ec.SECP256R1())
        write_atomically(self.data_dir / file_name, key_pem(key))
        return key

    # --- the enrollment ---------------------------------------------------------------------

    @property
    def is_claimed(self) -> bool:
        return self.stored is not None

    @property
    def device_id(self) -> UUID:
        return self._enrollment.device_id

    @property
    def device_name(self) -> str:
        return self._enrollment.device_name

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self._enrollment.certificate_pem.encode())

    @property
    def epoch(self) -> int:
        """Of the key, counted by the hub."""
        return self._enrollment.epoch

    def is_of_hub(self, *, signature: str, text: bytes) -> bool:
        """Whether the hub that claimed this device signed the text, by the CA that came with the claim."""
        key = _ec_key(x509.load_pem_x509_certificate(self._enrollment.ca_pem.encode()))
        try:
            key.verify(base64.b64decode(signature, validate=True), text, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def hub_id(self) -> str:
        """What a challenge of our own hub says: the fingerprint of the pinned CA's key."""
        return ca_id(self._enrollment)

    @property
    def _enrollment(self) -> Enrollment:
        if self.stored is None:
            raise EnrollmentRefusedError("This device is not claimed.")
        return self.stored.enrollment

    def enroll(self, *, hub_url: str, enrollment: Enrollment) -> None:
        """Keeps it for good. Raises EnrollmentRefusedError when it is not for this key."""
        self._check(enrollment, self._key)
        stored = StoredEnrollment(hub_url=hub_url, enrolled_at=datetime.now(UTC), enrollment=enrollment)
        write_atomically(self.data_dir / ENROLLMENT_FILE, stored.model_dump_json(indent=2).encode())
        self.stored = stored

    def renew(self, *, certificate_pem: str, ca_pem: str) -> None:
        """Another certificate for the same key. Raises EnrollmentRefusedError, and keeps the one that it has."""
        renewed = self._enrollment.model_copy(update={"certificate_pem": certificate_pem, "ca_pem": ca_pem})
        self._check(renewed, self._key)
        if ca_id(renewed) != self.hub_id:
            raise EnrollmentRefusedError("The hub sent a certificate of another hub.")
        self._store(renewed)

    def rename(self, device_name: str | None) -> None:
        """As its home calls it now. A disk that takes nothing is no matter: the hub says it at each login."""
        if self.stored is None or device_name in (None, "", self.device_name):
            return
        renamed = self._enrollment.model_copy(update={"device_name": device_name})
        self.stored = self.stored.model_copy(update={"enrollment": renamed})
        log.info("This device is called {device} now.", device=device_name)
        with contextlib.suppress(OSError):
            self._store(renamed)

    def change_key(self, *, certificate_pem: str, ca_pem: str, epoch: int) -> None:
        """The next key is this device's from now on. Raises EnrollmentRefusedError, and keeps the one that it has.

        1. write the next key, beside the old one (next_csr_pem)
        2. write the enrollment: from here on it names the next key, which makes that the device's key
        3. give the next key the old one's name; _finish_key_change does it where the power went before
        """
        key = self._next_key
        if key is None:
            raise EnrollmentRefusedError(_NO_OTHER_KEY)
        if epoch != self.epoch + 1:  # with any other one the hub would let nobody in
            raise EnrollmentRefusedError("The hub counts the keys of this device otherwise.")
        changes = {"certificate_pem": certificate_pem, "ca_pem": ca_pem, "epoch": epoch}
        changed = self._enrollment.model_copy(update=changes)
        self._check(changed, key)
        if ca_id(changed) != self.hub_id:
            raise EnrollmentRefusedError("The hub sent a certificate of another hub.")
        self._store(changed)
        self._key, self._next_key = key, None
        self._rename_next_key()

    def _finish_key_change(self) -> None:
        """After a power cut: the enrollment says which of two keys is the device's."""
        key = self._load_key(NEXT_KEY_FILE)
        if key is None:
            return
        if stored_fingerprint(self.data_dir) == spki_sha256(key.public_key()):
            self._rename_next_key()
        else:
            remove(self.data_dir / NEXT_KEY_FILE)

    def _rename_next_key(self) -> None:
        (self.data_dir / NEXT_KEY_FILE).replace(self.data_dir / KEY_FILE)
        sync_dir(self.data_dir)

    def _store(self, enrollment: Enrollment) -> None:
        if self.stored is None:
            raise EnrollmentRefusedError("This device is not claimed.")
        stored = self.stored.model_copy(update={"enrollment": enrollment})
        write_atomically(self.data_dir / ENROLLMENT_FILE, stored.model_dump_json(indent=2).encode())
        self.stored = stored

    def wipe(self) -> None:
        """Forgets the household and makes a new key, so that the old certificate is of no use to anybody."""
        # The keys go first: an enrollment without its key is dropped at the next start.
        for name in (NEXT_KEY_FILE, KEY_FILE, ENROLLMENT_FILE):
            remove(self.data_dir / name)
        self.stored = self._next_key = None
        self._key = self._make_key(KEY_FILE)

    def _load_enrollment(self) -> StoredEnrollment | None:
        path = self.data_dir / ENROLLMENT_FILE
        try:
            stored = StoredEnrollment.model_validate_json(path.read_bytes())
            self._check(stored.enrollment, self._key)
        except FileNotFoundError:
            return None
        except (ValidationError, EnrollmentRefusedError):
            log.warning("The stored claim does not fit this device's key. It must be claimed again.")
            remove(path)
            return None
        return stored

    @staticmethod
    def _check(enrollment: Enrollment, key: ec.EllipticCurvePrivateKey) -> None:
        try:
            certificate = x509.load_pem_x509_certificate(enrollment.certificate_pem.encode())
            ca = x509.load_pem_x509_certificate(enrollment.ca_pem.encode())
            certificate.verify_directly_issued_by(ca)
        except (ValueError, TypeError, InvalidSignature):
            raise EnrollmentRefusedError("The hub sent a certificate that its own CA did not sign.") from None
        _ec_key(ca)
        if spki_sha256(_ec_key(certificate)) != spki_sha256(key.public_key()):
            raise EnrollmentRefusedError("The hub sent a certificate for another device's key.")


def _csr_pem(key: ec.EllipticCurvePrivateKey, serial: str) -> str:
    # An X.509 common name has at most 64 characters (RFC 5280 appendix A.1).
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, serial[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def ca_id(enrollment: Enrollment) -> str:
    """Of the hub that gave it: the fingerprint of its CA's key."""
    return spki_sha256(_ec_key(x509.load_pem_x509_certificate(enrollment.ca_pem.encode())))


def _ec_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise EnrollmentRefusedError("The hub sent a certificate with a key that is not an EC key.")
    return key


def stored_fingerprint(data_dir: Path) -> str | None:
    """Of the key that this directory's enrollment is for. Raises OSError for a disk that does not read."""
    try:
        stored = StoredEnrollment.model_validate_json((data_dir / ENROLLMENT_FILE).read_bytes())
        certificate = x509.load_pem_x509_certificate(stored.enrollment.certificate_pem.encode())
        return spki_sha256(_ec_key(certificate))
    except (FileNotFoundError, ValueError, EnrollmentRefusedError):
        return None


def remembered_hub_url(data_dir: Path) -> str | None:
    """The hub that this directory's claim belongs to, without touching anything."""
    try:
        return StoredEnrollment.model_validate_json((data_dir / ENROLLMENT_FILE).read_bytes()).hub_url
    except (OSError, ValidationError):
        note = transfer_read(data_dir)  # on its way to another household of the same hub
        return note.hub_url if note else None
