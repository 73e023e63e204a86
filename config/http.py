"""What a request opened ends with it."""

from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections


class OwnThread:
    """Django runs each request in a thread of its own, and a connection to the database belongs to its thread.

    Nobody else can use it afterwards, and left open it would stay so until it is collected as garbage: fifty requests
    at once, a few times, used up all connections that PostgreSQL has.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext():
            try:
                await self._application(scope, receive, send)
            finally:
                await sync_to_async(connections.close_all)()
