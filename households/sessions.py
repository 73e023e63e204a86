"""The engine of sessions (settings.SESSION_ENGINE): the table holds only the hash of a session's key.

Whoever reads the table, or a backup of it, can sign in as nobody. The cookie and `session_key` are the key itself, as
Django and Channels expect.
"""

import base64
import hashlib
from typing import Any

from django.contrib.sessions.backends import db

from common.clock import now

# Fills the column of Django's table: 40 characters of six bits.
_HASH_BYTES = 30


def session_name(session_key: str) -> str:
    """What a session is called in the tables."""
    digest = hashlib.sha256(session_key.encode()).digest()[:_HASH_BYTES]
    return base64.urlsafe_b64encode(digest).decode()


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

    def _found(self) -> Any:
        name = session_name(self.session_key or "")
        return self.model.objects.filter(session_key=name, expire_date__gt=now())

    def _named(self, row: Any) -> Any:
        row.session_key = session_name(row.session_key)
        return row
