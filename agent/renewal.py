"""When a connection is made anew inside a call, and when it takes over from the old one.

Pure: looks go in, steps come out. `static/js/lib/renewal.js` is the same for a page, and a test holds the two together.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from agent.backoff import Backoff


class Attempt(StrEnum):
    """How far the connection is that shall take over."""

    NONE = "none"
    CONNECTING = "connecting"
    CONNECTED = "connected"


class Step(StrEnum):
    WAIT = "wait"
    OFFER = "offer"  # make a connection beside the one in use
    CHANGE = "change"  # use the new one, and close the old one
    DROP = "drop"  # close the new one
    END = "end"  # no hope any more


@dataclass(frozen=True, kw_only=True)
class RenewalLimits:
    """Seconds."""

    silence_s: float = 2.0  # without a packet, after speech
    quiet_s: float = 4.0  # where RTCP alone came: one lost report is no lost connection
    attempt_s: float = 8.0
    # The other end may be slow to follow to a new worker, and until then only the old connection has sound.
    handover_s: float = 10.0
    give_up_s: float = 45.0  # a link that was gone for 30 s has some more to come back
    settled_s: float = 3.0
    backoff_base_s: float = 0.3
    backoff_max_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is seen now. `silent_s`: since the last packet of the connection in use; None without one."""

    now_s: float
    silent_s: float | None
    speaks: bool  # the last packets of the connection in use were sound
    attempt: Attempt
    attempt_hears: bool = False  # sound came over the new one


class Renewal:
    """The state of one call's connections. Call `step` several times a second and do what it says."""

    def __init__(
        self, limits: RenewalLimits, *, now_s: float, chance: Callable[[], float] = random.random
    ) -> None:
        self._limits = limits
        self._backoff = Backoff(base_s=limits.backoff_base_s, max_s=limits.backoff_max_s, chance=chance)
        self.lost_since_s: float | None = now_s
        self._is_asked = self._is_stale = False
        self._not_before_s = self._offered_at_s = self._changed_at_s = now_s
        self._connected_at_s: float | None = None

    @property
    def is_lost(self) -> bool:
        return self.lost_since_s is not None

    def ask(self) -> None:
        """A new connection is needed although this one may work: the call moved, or the network changed."""
        self._is_asked = self._is_stale = True
        self._not_before_s = 0.0
        self._backoff.reset()

    def unheard(self, now_s: float) -> None:
        """The hub says that nothing arrives there. It may say so of the time before the last change."""
        if now_s - max(self._changed_at_s, self._offered_at_s) >= self._limits.settled_s:
            self.ask()

    def failed(self, now_s: float) -> None:
        """The attempt came to nothing; the next one waits a little."""
        self._not_before_s = now_s + self._backoff.next_s()

    def step(self, look: Look) -> Step:
        is_healthy = self._judge(look)
        if self.lost_since_s is not None and look.now_s - self.lost_since_s >= self._limits.give_up_s:
            return Step.END
        if look.attempt is Attempt.NONE:
            return self._without_attempt(look, is_healthy=is_healthy)
        if look.attempt is Attempt.CONNECTED and not self._is_stale:
            return self._with_new(look, is_healthy=is_healthy)
        if self._is_stale or (is_healthy and not self._is_asked):
            return Step.DROP  # it leads to the wrong place, or the old one came back
        if look.now_s - self._offered_at_s >= self._limits.attempt_s:
            self.failed(look.now_s)
            return Step.DROP
        return Step.WAIT

    def _judge(self, look: Look) -> bool:
        limit_s = self._limits.silence_s if look.speaks else self._limits.quiet_s
        is_healthy = look.silent_s is not None and look.silent_s < limit_s
        if is_healthy:
            self.lost_since_s = None
        elif self.lost_since_s is None:
            self.lost_since_s = look.now_s - (look.silent_s or 0.0)
        return is_healthy

    def _without_attempt(self, look: Look, *, is_healthy: bool) -> Step:
        self._connected_at_s, self._is_stale = None, False
        if (is_healthy and not self._is_asked) or look.now_s < self._not_before_s:
            return Step.WAIT
        self._offered_at_s = look.now_s
        return Step.OFFER

    def _with_new(self, look: Look, *, is_healthy: bool) -> Step:
        if self._connected_at_s is None:
            self._connected_at_s = look.now_s
        waited_s = look.now_s - self._connected_at_s
        if is_healthy and not look.attempt_hears and waited_s < self._limits.handover_s:
            return Step.WAIT
        self._is_asked, self._connected_at_s, self._changed_at_s = False, None, look.now_s
        self.lost_since_s = None
        self._backoff.reset()
        return Step.CHANGE
