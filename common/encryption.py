"""What the hub keeps in its tables for itself alone: encrypted (AES-256-GCM) under keys of its secret DATA_KEY."""

import os
from functools import cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_KEY_BYTES = 32
_NONCE_BYTES = 12


def encrypt(data: bytes, *, purpose: str) -> bytes:
    """Each purpose has a key of its own."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(settings.DATA_KEY, purpose).encrypt(nonce, data, None)


def decrypt(encrypted: bytes, *, purpose: str) -> bytes:
    """Raises cryptography.exceptions.InvalidTag where this is not what that key encrypted."""
    nonce, rest = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
    return _cipher(settings.DATA_KEY, purpose).decrypt(nonce, rest, None)


@cache
def _cipher(data_key: str, purpose: str) -> AESGCM:
    hkdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=f"hearthline {purpose}".encode())
    return AESGCM(hkdf.derive(data_key.encode()))
