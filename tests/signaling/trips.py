"""How slow the machine is meanwhile: what lies between the hub's sockets and their rows."""

import asyncio
import time
from typing import Final

from asgiref.sync import sync_to_async
from django.db import connection

PAUSE_S: Final = 0.05
ON_THE_WAY: Final = 4  # what ended is read, written and told, and the other side reads what it is told


def _there_and_back() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select 1")


class Trips:
    """The longest way to the database and back. `async with` watches."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    @property
    def slack_s(self) -> float:
        """What is added to a promise that the hub keeps with a few such ways."""
        return ON_THE_WAY * self.longest_s

    async def __aenter__(self) -> "Trips":
        self._watching = asyncio.create_task(self._watch(), name="trips")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            began_s = time.monotonic()
            await sync_to_async(_there_and_back)()
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            await asyncio.sleep(PAUSE_S)
