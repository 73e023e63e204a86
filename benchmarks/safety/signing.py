"""Signing requests that no device of ours would send."""

import base64
import random
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_OIDS: Final = ("2a8648ce3d0201", "2a8648ce3d030107", "2a8648ce3d040302", "550403")


def _name(text: str = "SN-1") -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _built(builder: x509.CertificateSigningRequestBuilder, key: ec.EllipticCurvePrivateKey) -> str:
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def pem(der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"


@dataclass
class Bent:
    """Good requests of two devices, to bend."""

    chance: random.Random
    keys: list[ec.EllipticCurvePrivateKey] = field(
        default_factory=lambda: [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    )
    good: list[bytes] = field(init=False)
    weak: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def __post_init__(self) -> None:
        builder = x509.CertificateSigningRequestBuilder().subject_name(_name())
        self.good = [builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER) for key in self.keys]

    def der(self) -> bytearray:
        return bytearray(self.good[0])

    def place(self, data: bytes | bytearray) -> int:
        return self.chance.randrange(len(data))


# --- bent ------------------------------------------------------------------------------------


def bits(bent: Bent) -> str:
    der = bent.der()
    for _ in range(bent.chance.randint(1, 4)):
        der[bent.place(der)] ^= 1 << bent.chance.randrange(8)
    return pem(bytes(der))


def cut(bent: Bent) -> str:
    der = bent.der()
    return pem(bytes(der[: bent.place(der)]))


def longer(bent: Bent) -> str:
    der, place = bent.der(), bent.place(bent.good[0])
    der[place:place] = bent.chance.randbytes(bent.chance.randint(1, 200))
    return pem(bytes(der))


def lengths(bent: Bent) -> str:
    """A length of DER that lies."""
    der = bent.der()
    tags = [i for i in range(len(der) - 1) if der[i] in (0x02, 0x03, 0x30, 0x31, 0xA0)]
    der[bent.chance.choice(tags) + 1] = bent.chance.choice([0x00, 0x7F, 0x80, 0x81, 0x84, 0xFF])
    return pem(bytes(der))


def swapped(bent: Bent) -> str:
    """Another device's key in a request that this one signed."""
    keys = [
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in bent.keys
    ]
    return pem(bent.good[0].replace(keys[0], keys[1]))


def unknown(bent: Bent) -> str:
    """An object identifier that nobody knows."""
    oid = bytes.fromhex(bent.chance.choice(_OIDS))
    return pem(bent.good[0].replace(oid, oid[:-1] + bytes([bent.chance.randrange(128)])))


def text(bent: Bent) -> str:
    whole = list(pem(bent.good[0]))
    for _ in range(bent.chance.randint(1, 6)):
        whole[bent.chance.randrange(len(whole))] = chr(bent.chance.choice([0, 10, 45, 61, 65, 233, 0x20AC]))
    return "".join(whole)


def noise(bent: Bent) -> str:
    return pem(bent.chance.randbytes(bent.chance.randint(0, 900)))


# --- hostile ---------------------------------------------------------------------------------


def authority(bent: Bent) -> str:
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name("Hearthline hub"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )
    return _built(builder, bent.keys[0])


def names(bent: Bent) -> str:
    others = [x509.DNSName("hub.local"), x509.UniformResourceIdentifier(f"urn:uuid:{'0' * 32}")]
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name("somebody else"))
        .add_extension(x509.SubjectAlternativeName(others), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=True)
    )
    return _built(builder, bent.keys[0])


def curves(bent: Bent) -> str:
    curve = bent.chance.choice([ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP256R1()])
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name())
    return _built(builder, ec.generate_private_key(curve))


def edwards(bent: Bent) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(_name())
    return request.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.PEM).decode()


def rsa_key(bent: Bent) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(_name())
    return request.sign(bent.weak, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def huge(bent: Bent) -> str:
    others = [x509.DNSName(f"host{number}.example") for number in range(bent.chance.randint(100, 400))]
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name())
    return _built(builder.add_extension(x509.SubjectAlternativeName(others), critical=False), bent.keys[0])


BENT: Final[tuple[Callable[[Bent], str], ...]] = (bits, cut, longer, lengths, swapped, unknown, text, noise)
HOSTILE: Final[tuple[Callable[[Bent], str], ...]] = (authority, names, curves, edwards, rsa_key, huge)
