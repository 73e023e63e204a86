"""Debian's coturn with docker/turnserver.conf: paths, addresses and ports are given on the command line."""

import base64
import datetime
import hashlib
import hmac
import ipaddress
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.operate.hub_process import ROOT, free_port
from turn.client import TurnError, turn_open
from turn.servers import server_read

SECRET = "a secret of this test"
REALM = "hub.example.org"
FORBIDDEN = 403  # RFC 8656 section 19
_STARTS_WITHIN_S = 20


@dataclass(frozen=True)
class Coturn:
    """A server that runs; its words stand in `log`."""

    ip: str
    port: int
    tls_port: int
    log: Path
    certificate: Path

    @property
    def urls(self) -> list[str]:
        return [
            f"turn:{self.ip}:{self.port}?transport=udp",
            f"turn:{self.ip}:{self.port}?transport=tcp",
            f"turns:{self.ip}:{self.tls_port}",
        ]


@contextmanager
def coturn(
    folder: Path,
    *,
    ip: str = "127.0.0.1",
    allowed: Sequence[str] = ("127.0.0.99",),
    prefix: Sequence[str] = (),
    port: int | None = None,
    words: Sequence[str] = (),
    asks_credentials: bool = True,
) -> Iterator[Coturn]:
    """`prefix` may lead into a network namespace; then its ports are all free and `port` has to be given."""
    program = shutil.which("turnserver")
    if program is None:
        raise RuntimeError("Debian's coturn is missing: sudo apt install coturn")
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = certificate_make(folder, ip)
    found = Coturn(ip, port or free_port(), port + 1 if port else free_port(), folder / "log", certificate)
    config = (ROOT / "docker" / "turnserver.conf").read_text()
    if not asks_credentials:
        config = config.replace("\nuse-auth-secret\n", "\nno-auth\n")
    (folder / "turnserver.conf").write_text(config)
    command = [
        *prefix, program, "-c", str(folder / "turnserver.conf"), f"--realm={REALM}",
        *([f"--static-auth-secret={SECRET}"] if asks_credentials else []),
        f"--listening-port={found.port}", f"--tls-listening-port={found.tls_port}",
        f"--cert={certificate}", f"--pkey={key}",
        f"--listening-ip={ip}", f"--relay-ip={ip}", *(["--allow-loopback-peers"] if ip.startswith("127.") else []),
        *(f"--allowed-peer-ip={peer}" for peer in allowed),
        f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}", *words,
    ]  # fmt: skip
    with found.log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        _wait_until_it_listens(found, process)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=10)


def credential(expires_in_s: int, *, secret: str = SECRET, identity: str = "test") -> tuple[str, str]:
    """User and password as the hub makes them: HMAC-SHA1 of the user by the shared secret, in base64."""
    user = f"{int(time.time()) + expires_in_s}:{identity}"
    mac = hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(mac).decode()


def certificate_make(folder: Path, ip: str) -> tuple[Path, Path]:
    """A certificate for an address, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "turn")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "turn.pem", folder / "turn.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_path, key_path


def _wait_until_it_listens(server: Coturn, process: "subprocess.Popen[bytes]") -> None:
    """By its own words: in a namespace it cannot be asked from here."""
    deadline_s = time.monotonic() + _STARTS_WITHIN_S
    while True:
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError("coturn did not start:\n" + server.log.read_text())
        text = server.log.read_text()
        if "Total General servers" in text and "DB connection success" in text:
            return
        time.sleep(0.05)


# One or two of each of IANA's special-purpose registries (RFC 6890 and its updates).
SPECIAL_PURPOSE = [
    "0.1.2.3", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.254", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.251", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
    "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:a00:1::",
    "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "9.9.9.9", "100.63.255.255", "100.128.0.0", "172.32.0.0", "198.17.255.255", "2001:200::1",
    "2606:4700::1111", "2a00::1",
]  # fmt: skip


async def permits(server: Coturn, peers: Sequence[str]) -> dict[str, bool]:
    """Whether coturn lets an allocation send to each of the addresses, by address."""
    found: dict[str, bool] = {}
    for family in (4, 6):
        chosen = [peer for peer in peers if ipaddress.ip_address(peer).version == family]
        username, password = credential(60, identity=f"peers/{family}")
        way = server_read(server.urls[0])
        async with turn_open(way, username=username, credential=password) as client:
            await client.allocate(family=family)
            for peer in chosen:
                try:
                    await client.permit((peer, 5000))
                except TurnError as error:
                    if error.code != FORBIDDEN:
                        raise
                    found[peer] = False
                else:
                    found[peer] = True
    return found
