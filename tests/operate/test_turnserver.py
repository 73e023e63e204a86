"""docker/turnserver.conf in the coturn that Debian ships."""

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operate.hub_process import ROOT, free_port

pytestmark = pytest.mark.integration

SECRET = "a secret of this test"
STUN_BINDING_REQUEST = bytes.fromhex("000100002112a442") + b"hearthline12"  # RFC 8489 section 5
STUN_BINDING_SUCCESS = bytes.fromhex("0101")


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port, and the log."""
    program = shutil.which("turnserver")
    assert program, "Debian's coturn is missing: sudo apt install coturn"
    folder, port = tmp_path_factory.mktemp("turn"), free_port()
    log = folder / "log"
    words = [
        "-c", str(ROOT / "docker" / "turnserver.conf"), f"--static-auth-secret={SECRET}", "--realm=hub.example.org",
        f"--listening-port={port}", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--external-ip=127.0.0.1",
        "--allow-loopback-peers", "--allowed-peer-ip=127.0.0.99",
        f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen([program, *words], stdout=output, stderr=output, cwd=folder)
    try:
        wait_for_answer(port, process, log)
        yield port, log
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_for_answer(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        client.connect(("127.0.0.1", port))
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            try:
                client.send(STUN_BINDING_REQUEST)
                if client.recv(2048)[:2] == STUN_BINDING_SUCCESS:
                    return
            except (TimeoutError, ConnectionRefusedError):
                continue


def relay(port: int, peer: str, *, password: str, user: str) -> str:
    """What turnutils_uclient says after it asked for a permission towards `peer`."""
    done = subprocess.run(
        [
            "turnutils_uclient",
            "-u",
            user,
            "-w",
            password,
            "-p",
            str(port),
            "-e",
            peer,
            "-n",
            "1",
            "-c",
            "127.0.0.1",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def credential(expires_in_s: int) -> tuple[str, str]:
    """User and password as the hub makes them: HMAC-SHA1 of the user by the shared secret, in base64."""
    user = f"{int(time.time()) + expires_in_s}:test"
    mac = hmac.new(SECRET.encode(), user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(mac).decode()


def test_coturn_takes_every_line_of_the_configuration(turn: tuple[int, Path]) -> None:
    text = turn[1].read_text()
    assert "Bad configuration format" not in text
    assert "ERROR: CONFIG" not in text.upper().replace("CONFIG ERROR", "ERROR: CONFIG")


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254"])
def test_coturn_refuses_private_peers(turn: tuple[int, Path], peer: str) -> None:
    user, password = credential(60)
    said = relay(turn[0], peer, user=user, password=password)
    assert "403" in said, said


def test_coturn_relays_to_the_address_of_the_media_worker(turn: tuple[int, Path]) -> None:
    user, password = credential(60)
    said = relay(turn[0], "127.0.0.99", user=user, password=password)
    assert "403" not in said, said
    assert "ERROR" not in said, said


def test_coturn_refuses_a_credential_that_has_expired(turn: tuple[int, Path]) -> None:
    user, password = credential(-60)
    said = relay(turn[0], "127.0.0.99", user=user, password=password)
    assert "Cannot complete Allocation" in said, said
