"""The hub's own certificate authority: CSR check, signing, proof of the claimed key (RFC 2986, RFC 5280)."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings

from common.clock import now
from common.errors import Invalid
from common.files import file_write_private, folder_lock

CA_LIFE = timedelta(days=365 * 20)
CERTIFICATE_LIFE = timedelta(days=365)
# A device may boot with a clock that is a little behind.
BACKDATE = timedelta(days=1)


@dataclass(frozen=True)
class SigningRequest:
    """A CSR that was checked. `csr_pem`: itself and nothing around it."""

    public_key: ec.EllipticCurvePublicKey
    fingerprint_sha256: str
    public_key_pem: str
    csr_pem: str


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def hub_id(self) -> str:
        """What a device pins: the SHA-256 of the CA's public key."""
        return fingerprint(self.private_key.public_key())


def fingerprint(public_key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, hex."""
    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def csr_check(csr_pem: str) -> SigningRequest:
    """Raises Invalid unless it is a CSR for a P-256 key, signed by that key."""
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
    except (ValueError, TypeError, x509.InvalidVersion):
        raise Invalid("This is not a certificate signing request.") from None
    public_key = _public_key(csr)
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name != "secp256r1":
        raise Invalid("A device needs an EC P-256 key.")
    if not _is_self_signed(csr):
        raise Invalid("The signing request was not signed with its own key.")
    pem = public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    alone = csr.public_bytes(serialization.Encoding.PEM)
    return SigningRequest(public_key, fingerprint(public_key), pem.decode(), alone.decode())


def _public_key(csr: x509.CertificateSigningRequest) -> object:
    """None for a kind of key or a curve that nobody here knows."""
    try:
        return csr.public_key()
    except UnsupportedAlgorithm:
        return None
    except (ValueError, TypeError):
        raise Invalid("This is not a certificate signing request.") from None


def _is_self_signed(csr: x509.CertificateSigningRequest) -> bool:
    try:
        return csr.is_signature_valid
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return False


def certificate_sign(*, request: SigningRequest, device_id: UUID) -> x509.Certificate:
    """A leaf certificate. Nothing of the CSR but its key is taken over: names and extensions are the hub's."""
    authority = authority_get()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(device_id))])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, authority.certificate.subject, request.public_key, now() + CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:uuid:{device_id}")]),
            critical=False,
        )
        .sign(authority.private_key, hashes.SHA256())
    )


def authority_sign(text: bytes) -> str:
    """The hub's word (ECDSA, SHA-256; base64 of DER), for devices that know its CA."""
    signature = authority_get().private_key.sign(text, ec.ECDSA(hashes.SHA256()))
    return base64.b64encode(signature).decode("ascii")


def signature_is_valid(*, public_key_pem: str, signature: str, text: bytes) -> bool:
    """Whether `signature` (base64 of DER) over `text` was made with the private half of the key (ECDSA, SHA-256)."""
    public_key = serialization.load_pem_public_key(public_key_pem.encode())
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        return False
    try:
        public_key.verify(base64.b64decode(signature, validate=True), text, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


@cache
def authority_get() -> Authority:
    """The hub's CA, made at first use, in two files of mode 0600."""
    folder = settings.DATA_DIR / "authority"
    key_file, certificate_file = folder / "ca-key.pem", folder / "ca.pem"
    with folder_lock(folder):
        if not certificate_file.exists():
            key, certificate = _authority_make()
            # The certificate is written last and its name is what counts: a start cut short makes a new pair.
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            file_write_private(key_file, pem)
            file_write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    private_key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise TypeError("The hub's CA key is not an EC key.")
    return Authority(x509.load_pem_x509_certificate(certificate_file.read_bytes()), private_key)


def hub_id_known() -> str:
    """For a process that must not make an authority: "" where there is none yet."""
    try:
        pem = (settings.DATA_DIR / "authority" / "ca.pem").read_bytes()
    except FileNotFoundError:
        return ""
    public_key = x509.load_pem_x509_certificate(pem).public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise TypeError("The hub's CA key is not an EC key.")
    return fingerprint(public_key)


def _authority_make() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hearthline hub")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key.public_key(), now() + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - BACKDATE)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
