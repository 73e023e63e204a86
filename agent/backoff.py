"""Waiting before trying again: exponential with full jitter, so that devices do not come back as one."""

import random


class Backoff:
    """`next_s()` is uniform in 0 .. min(max_s, base_s * 2**n)."""

    def __init__(self, *, base_s: float, max_s: float) -> None:
        self._base_s, self._max_s, self._attempt = base_s, max_s, 0

    def next_s(self) -> float:
        ceiling_s = min(self._max_s, self._base_s * 2**self._attempt)
        self._attempt = min(self._attempt + 1, 32)
        return random.uniform(0, ceiling_s)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        self._attempt = 0
