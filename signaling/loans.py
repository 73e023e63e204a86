"""Ends a call when what was lent to its caller runs out.

Both ends' sockets look at the clock, so that it is heard within a second whichever of them is there; the sweep of the
calls does it where neither is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError

from calls.ending.rights import call_loan_end, call_recheck
from calls.models import Call
from common.clock import now

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 30.0  # what was lent may be changed meanwhile


class LoanWatch:
    """Of one socket. `query` runs a service in the household's scope."""

    def __init__(self, query: Callable[..., Awaitable[Any]]) -> None:
        self._query = query
        self._call_id: UUID | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, call: Call) -> None:
        if self._task is not None and not self._task.done() and self._call_id == call.public_id:
            return
        self.end()
        self._call_id = call.public_id
        self._task = asyncio.create_task(self._watch(call), name="loan of a caller")

    def end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    async def _watch(self, call: Call) -> None:
        try:
            while (ends_at := await self._query(call_loan_end, call)) is not None:
                left_s = (ends_at - now()).total_seconds()
                await asyncio.sleep(max(0.0, min(left_s, LOOK_EVERY_S)))
                if left_s <= LOOK_EVERY_S:
                    await self._query(call_recheck, household=call.household, user=call.started_by)
        except DatabaseError:
            log.exception("the end of a loan was not watched")
