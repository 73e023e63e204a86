"""Every order of silence, moves, refusals, lost sockets and hang-ups that hypothesis thinks of."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.renewal import Attempt, Look, Renewal, RenewalLimits, Step

pytestmark = pytest.mark.unit

LIMITS = RenewalLimits()
TICK_S = 0.25


@dataclass
class World:
    """A device in a network. `works`: the link is up, and the hub has a worker that answers."""

    works: bool = True
    other_speaks: bool = True
    refuses: bool = False
    now_s: float = 100.0
    current_packet_s: float | None = None
    attempt: Attempt = Attempt.NONE
    attempt_age_s: float = 0.0
    open_count: int = 0
    steps: list[Step] = field(default_factory=list)
    renewal: Renewal = field(init=False)

    def __post_init__(self) -> None:
        self.renewal = Renewal(LIMITS, now_s=self.now_s, chance=lambda: 1.0)

    @property
    def is_healthy(self) -> bool:
        return self.current_packet_s is not None and self.now_s - self.current_packet_s < LIMITS.silence_s

    @property
    def is_over(self) -> bool:
        return Step.END in self.steps

    def is_lost(self) -> bool:
        return self.renewal.is_lost

    def attempt_now(self) -> Attempt:
        return self.attempt

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            if not self.is_over:
                self._tick()

    def _tick(self) -> None:
        self.now_s += TICK_S
        if self.works and self.current_packet_s is not None:
            self.current_packet_s = self.now_s
        self.attempt_age_s += TICK_S
        if self.attempt is Attempt.CONNECTING and self.works and self.attempt_age_s >= 2 * TICK_S:
            if self.refuses:
                self.attempt = Attempt.NONE
                self.renewal.failed(self.now_s)
            else:
                self.attempt = Attempt.CONNECTED
        self._obey(self.renewal.step(self._look()))

    def _look(self) -> Look:
        return Look(
            now_s=self.now_s,
            silent_s=None if self.current_packet_s is None else self.now_s - self.current_packet_s,
            speaks=self.other_speaks,
            attempt=self.attempt,
            attempt_hears=self.attempt is Attempt.CONNECTED and self.works and self.other_speaks,
        )

    def _obey(self, step: Step) -> None:
        self.steps.append(step)
        if step is Step.OFFER:
            assert self.attempt is Attempt.NONE, "a third connection"
            self.attempt, self.attempt_age_s = Attempt.CONNECTING, 0.0
        elif step is Step.DROP:
            assert self.attempt is not Attempt.NONE, "there is nothing to close"
            self.attempt = Attempt.NONE
        elif step is Step.CHANGE:
            assert self.attempt is Attempt.CONNECTED, "a change to what does not stand"
            self.attempt, self.current_packet_s = Attempt.NONE, self.now_s


ACTS = ("cut", "heal", "moved", "unheard", "refuse", "accept", "mute", "speak", "break")


def act(world: World, name: str) -> None:
    if name in ("cut", "heal"):
        world.works = name == "heal"
    elif name in ("refuse", "accept"):
        world.refuses = name == "refuse"
    elif name in ("mute", "speak"):
        world.other_speaks = name == "speak"
    elif name == "moved":
        world.renewal.ask()
    elif name == "unheard":
        world.renewal.unheard(world.now_s)
    else:
        world.current_packet_s = None


stories = st.lists(st.tuples(st.sampled_from(ACTS), st.floats(0, 12)), max_size=12)


def told(story: list[tuple[str, float]]) -> Iterator[World]:
    world = World()
    world.pass_time(2)
    for name, seconds in story:
        act(world, name)
        world.pass_time(seconds)
        yield world


@given(stories)
def test_whatever_happens_a_call_is_alive_again_soon_after_the_network_is(
    story: list[tuple[str, float]],
) -> None:
    world = [World(), *told(story)][-1]
    if world.is_over:
        return
    world.works, world.refuses, world.other_speaks = True, False, True
    world.pass_time(LIMITS.attempt_s + LIMITS.backoff_max_s + 2)
    assert world.is_healthy
    assert world.attempt is Attempt.NONE


@given(stories)
def test_whatever_happens_a_call_without_a_network_ends_in_bounded_time(
    story: list[tuple[str, float]],
) -> None:
    world = [World(), *told(story)][-1]
    world.works = False
    world.pass_time(LIMITS.give_up_s + LIMITS.quiet_s + 1)
    assert world.is_over


@given(stories)
def test_it_never_ends_while_packets_come(story: list[tuple[str, float]]) -> None:
    for world in told(story):
        assert not (world.is_over and world.is_healthy)


@given(stories)
def test_nobody_is_left_alone_for_long_while_it_is_lost(story: list[tuple[str, float]]) -> None:
    """Lost means: an attempt runs, or one begins within the longest wait."""
    for world in told(story):
        if world.is_over or world.is_healthy or world.attempt is not Attempt.NONE:
            continue
        before = world.steps.count(Step.OFFER)
        world.works = False
        world.pass_time(LIMITS.backoff_max_s + LIMITS.quiet_s + 1)
        assert world.is_over or world.steps.count(Step.OFFER) > before


def test_a_working_connection_is_left_alone() -> None:
    world = World()
    world.pass_time(60)
    assert world.steps.count(Step.OFFER) == 1
    assert world.steps.count(Step.CHANGE) == 1


def test_two_seconds_of_silence_begin_a_renewal() -> None:
    world = World()
    world.pass_time(5)
    world.works = False
    world.pass_time(LIMITS.silence_s - TICK_S)
    assert not world.is_lost()
    world.pass_time(2 * TICK_S)
    assert world.is_lost()
    assert world.steps[-1] is Step.OFFER or Step.OFFER in world.steps[-2:]


def test_when_the_old_connection_comes_back_first_the_attempt_is_dropped() -> None:
    world = World()
    world.pass_time(5)
    world.works = False
    world.pass_time(5)
    assert world.attempt_now() is Attempt.CONNECTING
    world.works = True
    world.attempt_age_s = -60  # its answer was lost
    world.pass_time(1)
    assert world.is_healthy
    assert world.attempt_now() is Attempt.NONE


def test_a_move_changes_only_when_the_new_connection_has_sound() -> None:
    world = World()
    world.pass_time(5)
    world.other_speaks = False
    world.renewal.ask()
    world.pass_time(5)
    assert (world.attempt_now(), world.steps.count(Step.CHANGE)) == (Attempt.CONNECTED, 1)
    world.other_speaks = True
    world.pass_time(TICK_S)
    assert (world.attempt_now(), world.steps.count(Step.CHANGE)) == (Attempt.NONE, 2)


def test_a_second_move_leaves_the_connection_to_the_first_place() -> None:
    world = World(other_speaks=False)
    world.pass_time(5)
    world.renewal.ask()
    world.pass_time(2)
    world.renewal.ask()
    world.pass_time(2 * TICK_S)
    assert world.steps[-2:] == [Step.DROP, Step.OFFER]


def test_word_of_silence_right_after_a_change_is_old_news() -> None:
    world = World()
    world.pass_time(1)
    world.renewal.unheard(world.now_s)
    world.pass_time(5)
    assert world.steps.count(Step.OFFER) == 1
    world.renewal.unheard(world.now_s)
    world.pass_time(5)
    assert world.steps.count(Step.CHANGE) == 2


def test_refusals_are_spread_and_not_too_rare() -> None:
    world = World(refuses=True)
    world.pass_time(30)
    assert 10 <= world.steps.count(Step.OFFER) <= 16
