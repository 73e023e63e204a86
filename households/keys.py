"""A key per household, wrapped by the hub's own. What a household keeps is sealed under keys wrapped by its key.

Wrapping is AES-256-GCM with a random nonce; what is wrapped is bound to its household and its purpose, so that
a wrapped key copied to another row opens nothing there. Destroying a wrapped key destroys what it sealed.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django_scopes import scope, scopes_disabled

from common.errors import Unavailable
from households.models import Household, HouseholdKey

KEY_BYTES = 32
_NONCE_BYTES = 12


def key_wrap(*, household: Household, key: bytes, purpose: str) -> bytes:
    """`key` for a row of this household; `purpose` names the row, such as the path of a recording."""
    return _wrap(_household_key(household), key, _context(household, purpose))


def key_unwrap(*, household: Household, wrapped: bytes, purpose: str) -> bytes:
    """Raises Unavailable where the hub's secret, or the household's key, is not the one that wrapped it."""
    return _unwrap(_household_key(household), wrapped, _context(household, purpose))


def hub_key_check() -> None:
    """Raises Unavailable where this process has another DATA_KEY than the hub whose database it sees."""
    with scopes_disabled():  # any one will do
        row = HouseholdKey.objects.select_related("household").first()
    if row is not None:
        _unwrap(_hub_key(), bytes(row.wrapped), _context(row.household, "household"))


def _household_key(household: Household) -> bytes:
    """Made when it is first needed; of two at once, one row wins."""
    fresh = _wrap(_hub_key(), os.urandom(KEY_BYTES), _context(household, "household"))
    with scope(household=household):
        row, _ = HouseholdKey.objects.get_or_create(household=household, defaults={"wrapped": fresh})
    return _unwrap(_hub_key(), bytes(row.wrapped), _context(household, "household"))


def _hub_key() -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"hearthline households")
    return hkdf.derive(settings.DATA_KEY.encode())


def _context(household: Household, purpose: str) -> bytes:
    return f"{household.public_id}:{purpose}".encode()


def _wrap(wrapping: bytes, key: bytes, context: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(wrapping).encrypt(nonce, key, context)


def _unwrap(wrapping: bytes, wrapped: bytes, context: bytes) -> bytes:
    try:
        return AESGCM(wrapping).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise Unavailable(
            "The hub cannot open this: its secret DATA_KEY is not the one that closed it. Restore that secret."
        ) from None
