"""Waits between tries, spread so that a thousand devices do not come back in one instant."""

import random
from collections.abc import Callable


class Backoff:
    """Full jitter: uniform in 0 .. min(max_s, base_s * 2**n). `chance` gives 0 .. 1."""

    def __init__(self, *, base_s: float, max_s: float, chance: Callable[[], float] = random.random) -> None:
        self._base_s, self._max_s, self._attempt, self._chance = base_s, max_s, 0, chance

    def next_s(self) -> float:
        ceiling_s = min(self._max_s, self._base_s * 2**self._attempt)
        self._attempt = min(self._attempt + 1, 32)
        return float(ceiling_s * self._chance())

    def reset(self) -> None:
        self._attempt = 0
