"""The engine of sessions (settings.SESSION_ENGINE): the table holds only the hash of a session's key.

Whoever reads the table, or a copy of it, can sign in as nobody, and reads nothing of what is in a session. The cookie
and `session_key` are the key itself, as Django and Channels expect.
"""

import base64
import hashlib
from typing import Any, Final

from django.contrib.sessions.backends import db
from django.contrib.sessions.serializers import JSONSerializer

from common.clock import now
from common.encryption import decrypt, encrypt

# Fills the column of Django's table: 40 characters of six bits.
_HASH_BYTES = 30
_ENCRYPTED: Final = b"\x01"  # as which no JSON begins
_PURPOSE: Final = "sessions"


def session_name(session_key: str) -> str:
    """What a session is called in the tables."""
    digest = hashlib.sha256(session_key.encode()).digest()[:_HASH_BYTES]
    return base64.urlsafe_b64encode(digest).decode()


class EncryptedSerializer:
    """settings.SESSION_SERIALIZER. Such as what an authenticator app is made of while it is being turned on, or the key
    of a link for a new password that was opened, lies in the session until that is done."""

    def dumps(self, data: Any) -> bytes:
        return _ENCRYPTED + encrypt(JSONSerializer().dumps(data), purpose=_PURPOSE)

    def loads(self, data: bytes) -> Any:
        """What it cannot read Django takes for an empty session."""
        if data.startswith(_ENCRYPTED):
            data = decrypt(data.removeprefix(_ENCRYPTED), purpose=_PURPOSE)
        return JSONSerializer().loads(data)  # else of an earlier version


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Any:
        row = self._found().first() if self.session_key else None
        if row is None:
            self._session_key = None
        return row

    async def _aget_session_from_db(self) -> Any:
        row = await self._found().afirst() if self.session_key else None
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return bool(super().exists(session_name(session_key)))

    async def aexists(self, session_key: str) -> bool:
        return bool(await super().aexists(session_name(session_key)))

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        return self._named(super().create_model_instance(data))

    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        return self._named(await super().acreate_model_instance(data))

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(session_name(key))

    async def adelete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            await super().adelete(session_name(key))

    def hold(self) -> "SessionStore | None":
        """As other requests left it; until the transaction ends they wait. None where it has ended."""
        if self._found().select_for_update().first() is None:
            return None
        return SessionStore(self.session_key)

    def _found(self) -> Any:
        name = session_name(self.session_key or "")
        return self.model.objects.filter(session_key=name, expire_date__gt=now())

    def _named(self, row: Any) -> Any:
        row.session_key = session_name(row.session_key)
        return row
