"""Measures every leg once a second and tells the hub: a minute at a time, and at once when the quality changes."""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final
from uuid import UUID

from media import metrics
from media.door import LegState
from media.leg import Leg
from media.outbox import Outbox
from media.stats import LegMeter

EVERY_S: Final = 1.0


class Measuring:
    """`run` until cancelled. Legs outside of calls count for the metrics alone."""

    def __init__(self, outbox: Outbox, legs: Callable[[], Collection[Leg]]) -> None:
        self._outbox, self._legs = outbox, legs
        self._meters: dict[UUID, LegMeter] = {}

    async def run(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s = max(due_s + EVERY_S, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())
            metrics.LOOP_LAG.observe(max(0.0, time.monotonic() - due_s))
            self.tick(unix_s=time.time())

    def tick(self, *, unix_s: float) -> None:
        legs = self._legs()
        metrics.LEGS.set(len(legs))
        metrics.TASKS.set(len(asyncio.all_tasks()))
        metrics.CALLS.set(len({leg.call_id for leg in legs if leg.call_id is not None}))
        for leg in legs:
            if leg.state is not None:
                self._take(leg, unix_s)

    def entered(self, leg: Leg) -> None:
        """The leg is in a call from now on: what was measured before belongs to none."""
        if (meter := self._meters.get(leg.leg_id)) is not None:
            meter.begin()

    def left(self, leg: Leg) -> None:
        """The leg is gone: what was measured of it is told."""
        self.parted(leg)
        self._meters.pop(leg.leg_id, None)

    def parted(self, leg: Leg) -> None:
        """The leg is in its call no longer."""
        meter = self._meters.get(leg.leg_id)
        if meter is not None:
            # A call that moved leaves a silent leg behind, and its silence is no measurement.
            self._outbox.measured(leg, meter.harvest(with_silent_end=False))

    def _take(self, leg: Leg, unix_s: float) -> None:
        meter = self._meters.setdefault(leg.leg_id, LegMeter())
        metrics.count(meter.take(leg.stats(), unix_s=unix_s))
        self._outbox.judged(leg, meter.judge(is_lost=leg.state is LegState.LOST))
        if meter.is_full:
            self._outbox.measured(leg, meter.harvest())
