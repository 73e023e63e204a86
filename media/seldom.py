"""Lines of the log that a stranger can cause: of each kind one in a while, which says how many were left out."""

import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

EVERY_S: Final = 10.0


class Seldom:
    """One kind of line. What it stands for is counted elsewhere, for the metrics."""

    def __init__(self, event: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._event, self._clock = event, clock
        self._left_out, self._next_at_s = 0, 0.0

    def warn(self, **fields: object) -> None:
        now_s = self._clock()
        if now_s < self._next_at_s:
            self._left_out += 1
            return
        log.warning(self._event, left_out=self._left_out, **fields)
        self._left_out, self._next_at_s = 0, now_s + EVERY_S
