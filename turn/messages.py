"""STUN messages as bytes: written, read, signed."""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

Address = tuple[str, int]
Attribute = tuple[int, bytes]

MAGIC: Final = 0x2112A442
HEADER_BYTES: Final = 20
_UDP: Final = 17  # protocol number


class Method(IntEnum):
    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008


class Kind(IntEnum):
    """The class of a message."""

    REQUEST = 0x000
    INDICATION = 0x010
    SUCCESS = 0x100
    ERROR = 0x110


class Name(IntEnum):
    """Attributes."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    DATA = 0x0013
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_ADDRESS_FAMILY = 0x0017
    REQUESTED_TRANSPORT = 0x0019
    XOR_MAPPED_ADDRESS = 0x0020


@dataclass(frozen=True)
class StunMessage:
    method: int
    kind: int
    transaction_id: bytes
    attributes: dict[int, bytes]  # the first of each

    @property
    def error_code(self) -> int:
        """0 where there is none."""
        value = self.attributes.get(Name.ERROR_CODE, b"")
        return value[2] * 100 + value[3] if len(value) >= 4 else 0

    def address(self, name: Name) -> Address | None:
        value = self.attributes.get(name)
        return None if value is None else read_address(value, self.transaction_id)

    def number(self, name: Name) -> int | None:
        value = self.attributes.get(name, b"")
        return int.from_bytes(value, "big") if len(value) == 4 else None


def transaction_id_make() -> bytes:
    return secrets.token_bytes(12)


def write(
    method: Method,
    kind: Kind,
    transaction_id: bytes,
    attributes: Sequence[Attribute] = (),
    *,
    key: bytes | None = None,
) -> bytes:
    """A whole message; with a key it is signed (RFC 8489 section 14.5)."""
    body = b"".join(_padded(name, value) for name, value in attributes)
    if key is not None:
        signed = _header(method | kind, len(body) + 24, transaction_id) + body
        body += _padded(Name.MESSAGE_INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())
    return _header(method | kind, len(body), transaction_id) + body


def read(data: bytes) -> StunMessage:
    """Raises ValueError for what is no STUN message."""
    if len(data) < HEADER_BYTES:
        raise ValueError("too short for STUN")
    type_, length, magic = struct.unpack_from("!HHI", data)
    if type_ & 0xC000 or magic != MAGIC or length != len(data) - HEADER_BYTES or length % 4:
        raise ValueError("no STUN message")
    attributes: dict[int, bytes] = {}
    at = HEADER_BYTES
    while at < len(data):
        name, size = struct.unpack_from("!HH", data, at)
        if at + 4 + size > len(data):
            raise ValueError("an attribute longer than its message")
        attributes.setdefault(name, data[at + 4 : at + 4 + size])
        at += 4 + size + -size % 4
    return StunMessage(type_ & 0x3EEF, type_ & 0x0110, data[8:20], attributes)


def long_term_key(username: str, realm: str, credential: str) -> bytes:
    """RFC 8489 section 9.2.2."""
    return hashlib.md5(f"{username}:{realm}:{credential}".encode(), usedforsecurity=False).digest()


def address_attribute(name: Name, address: Address, transaction_id: bytes) -> Attribute:
    """XOR-MAPPED-ADDRESS and its like (RFC 8489 section 14.2)."""
    host = ip_address(address[0])
    pad = struct.pack("!I", MAGIC) + transaction_id
    packed = bytes(a ^ b for a, b in zip(host.packed, pad, strict=False))
    family = 1 if host.version == 4 else 2
    return name, struct.pack("!BBH", 0, family, address[1] ^ MAGIC >> 16) + packed


def read_address(value: bytes, transaction_id: bytes) -> Address:
    """Raises ValueError."""
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        raise ValueError("no address")
    pad = struct.pack("!I", MAGIC) + transaction_id
    packed = bytes(a ^ b for a, b in zip(value[4:], pad, strict=False))
    host = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return str(host), int.from_bytes(value[2:4], "big") ^ MAGIC >> 16


def allocate_attributes(family: int) -> list[Attribute]:
    """Of an Allocate request for UDP (RFC 8656 section 7.1); family 4 or 6."""
    found: list[Attribute] = [(Name.REQUESTED_TRANSPORT, bytes([_UDP, 0, 0, 0]))]
    if family == 6:
        found.append((Name.REQUESTED_ADDRESS_FAMILY, bytes([2, 0, 0, 0])))
    return found


def _header(type_: int, length: int, transaction_id: bytes) -> bytes:
    return struct.pack("!HHI", type_, length, MAGIC) + transaction_id


def _padded(name: int, value: bytes) -> bytes:
    return struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4)
