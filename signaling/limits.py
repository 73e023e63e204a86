"""What one socket may do."""

import time
from collections.abc import Callable

HELLO_DEADLINE_S = 10.0
IDLE_S = 70.0  # a browser pings every 20 s, but a tab in the background is throttled to one timer a minute
DEVICE_IDLE_S = 25.0
BAD_MESSAGES = 20  # then the socket is closed
RATE_PER_S = 50.0
BURST = 200.0


class TokenBucket:
    """`rate` messages a second, `burst` at once. `clock` gives monotonic seconds."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._level, self._at = burst, clock()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        moment = self._clock()
        self._level = min(self._burst, self._level + (moment - self._at) * self._rate)
        self._at = moment
        if self._level < 1:
            return False
        self._level -= 1
        return True
