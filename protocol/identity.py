"""What a device and its hub sign to prove to each other who they are.

The first line of a text says what it is for, so that a signature for one thing is worth nothing for another; only the
last line may be of any form. No clock is involved: a device may boot in 1970.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

Nonce = Annotated[str, Field(min_length=22, max_length=86, pattern=r"^[A-Za-z0-9_-]+$")]  # 128 bits or more
Signature = Annotated[str, Field(max_length=200)]  # ECDSA (P-256, SHA-256), DER, base64


def login_text(*, nonce: str, hub_id: str, device_id: str, epoch: int | None) -> bytes:
    """The bytes under the signature of a device's `hello`.

    The hub's identity (SHA-256 of its CA's public key, hex) keeps another hub from passing the answer on; the nonce
    keeps it from being used twice, and the epoch from being used after the key was changed. None: the first agents
    knew no epochs.
    """
    if epoch is None:
        return f"hearthline device login 1\n{hub_id}\n{device_id}\n{nonce}".encode()
    return f"hearthline device login 2\n{hub_id}\n{device_id}\n{epoch}\n{nonce}".encode()


def next_key_text(*, device_id: str, epoch: int, fingerprint: str) -> bytes:
    """The bytes that a device signs with its key when it asks for a certificate for the next one.

    Else somebody in between could put his own key after the device's. `fingerprint` and `epoch`: of the next key.
    """
    return f"hearthline next key 1\n{device_id}\n{epoch}\n{fingerprint}".encode()


def transfer_text(*, fingerprint: str, code: str) -> bytes:
    """The bytes that a device signs with the key that it had, when it comes to its next household with a new one."""
    return f"hearthline transfer 1\n{fingerprint}\n{code}".encode()


class HubWord(StrEnum):
    """What a hub says with a proof: no other hub lets a device in or makes it forget its household."""

    WELCOME = "hello_ack"
    UNCLAIMED = "unclaimed"
    UNKNOWN = "unknown"


def hub_text(*, word: HubWord, device_id: str, nonce: str) -> bytes:
    """The bytes under the `proof` of the hub. The nonce is the device's own, of this connection."""
    return f"hearthline hub word 1\n{word}\n{device_id}\n{nonce}".encode()


_FINGERPRINT = re.compile(r"(sha-(?:1|224|256|384|512)) ((?:[0-9A-F]{2}:){19,63}[0-9A-F]{2})")


def fingerprints(sdp: str) -> tuple[str, ...]:
    """The certificates that a description names (RFC 8122), each once. Raises ValueError where it names none."""
    lines = (line.strip().lower() for line in sdp.splitlines())
    named = {line.removeprefix("a=fingerprint:") for line in lines if line.startswith("a=fingerprint:")}
    found = {_FINGERPRINT.fullmatch(_spelled(value)) for value in named}
    if not found or None in found:
        raise ValueError("The description does not name its certificate.")
    return tuple(sorted(match[0] for match in found if match))


def _spelled(value: str) -> str:
    algorithm, _, digest = value.partition(" ")
    return f"{algorithm} {digest.upper()}"


def answer_text(
    *, device_id: str, call_id: str, request_id: str, offered: Iterable[str], answered: Iterable[str]
) -> bytes:
    """The bytes under the `proof` of an answer: the certificates that both ends named, as the hub knows them."""
    named = f"{','.join(offered)}\n{','.join(answered)}"
    return f"hearthline answer 1\n{device_id}\n{call_id}\n{named}\n{request_id}".encode()
