"""What the shared cache holds. Who can write to Redis writes nothing there that the hub believes, or that runs."""

import json
from typing import Any, Final

from cryptography.exceptions import InvalidTag

from common.encryption import decrypt, encrypt

_PURPOSE: Final = "cache"


class SealedSerializer:
    """settings.CACHES: numbers as they are, since Redis counts them; all else as JSON, encrypted.

    Django's own one unpickles what it finds. A value is not bound to its key or to a time: what somebody could move or
    put back has to name whose it is, and of when.
    """

    def dumps(self, value: Any) -> int | bytes:
        """Raises TypeError for what JSON does not know."""
        if type(value) is int:
            return value
        return encrypt(json.dumps(value).encode(), purpose=_PURPOSE)

    def loads(self, data: bytes) -> Any:
        """None for what nobody of this hub wrote."""
        try:
            return int(data)
        except ValueError:
            pass
        try:
            return json.loads(decrypt(data, purpose=_PURPOSE))
        except (InvalidTag, ValueError):
            return None
