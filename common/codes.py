"""Secrets that the hub gives out once and keeps only as a hash."""

import hashlib
import hmac
import secrets

from django.conf import settings


def secret_make(byte_count: int = 32) -> str:
    return secrets.token_urlsafe(byte_count)


def secret_hash(value: str) -> str:
    """HMAC-SHA256 under the hub's key, hex: a stolen table does not let short codes be guessed."""
    return hmac.new(settings.SECRET_KEY.encode(), value.encode(), hashlib.sha256).hexdigest()
