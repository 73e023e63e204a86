"""What the device is doing, and the one table of what may follow what."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    IDLE = "idle"
    RINGING = "ringing"
    IN_CALL = "in_call"
    ANNOUNCING = "announcing"


class Event(StrEnum):
    CALL_RINGS = "call_rings"
    CALL_ANSWERED = "call_answered"
    CALL_OVER = "call_over"
    CALL_OVER_CLIP_PLAYS = "call_over_clip_plays"  # what CALL_OVER becomes under an announcement
    CLIP_STARTED = "clip_started"
    CLIP_OVER = "clip_over"


# An announcement plays over a call, so in RINGING and IN_CALL its events change nothing.
TRANSITIONS: Final = MappingProxyType(
    {
        (State.IDLE, Event.CALL_RINGS): State.RINGING,
        (State.IDLE, Event.CALL_ANSWERED): State.IN_CALL,
        (State.IDLE, Event.CLIP_STARTED): State.ANNOUNCING,
        (State.RINGING, Event.CALL_ANSWERED): State.IN_CALL,
        (State.RINGING, Event.CALL_OVER): State.IDLE,
        (State.RINGING, Event.CALL_OVER_CLIP_PLAYS): State.ANNOUNCING,
        (State.RINGING, Event.CLIP_STARTED): State.RINGING,
        (State.RINGING, Event.CLIP_OVER): State.RINGING,
        (State.IN_CALL, Event.CALL_OVER): State.IDLE,
        (State.IN_CALL, Event.CALL_OVER_CLIP_PLAYS): State.ANNOUNCING,
        (State.IN_CALL, Event.CLIP_STARTED): State.IN_CALL,
        (State.IN_CALL, Event.CLIP_OVER): State.IN_CALL,
        (State.ANNOUNCING, Event.CALL_RINGS): State.RINGING,
        (State.ANNOUNCING, Event.CALL_ANSWERED): State.IN_CALL,
        (State.ANNOUNCING, Event.CLIP_OVER): State.IDLE,
    }
)


class ForbiddenTransitionError(Exception):
    """A bug in the agent, not something that a hub can cause."""


class DeviceState:
    """The state now. `apply` is the only way to change it."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self.clip_plays = False

    @property
    def takes_calls(self) -> bool:
        return self.may(Event.CALL_RINGS)

    @property
    def has_call(self) -> bool:
        return self.may(Event.CALL_OVER)

    def may(self, event: Event) -> bool:
        if event is Event.CALL_OVER_CLIP_PLAYS:
            return False  # only `apply` makes it
        if event in (Event.CLIP_STARTED, Event.CLIP_OVER) and self.clip_plays is (
            event is Event.CLIP_STARTED
        ):
            return False
        return (self.state, event) in TRANSITIONS

    def apply(self, event: Event) -> State:
        """Raises ForbiddenTransitionError and changes nothing when `event` may not come now."""
        if not self.may(event):
            raise ForbiddenTransitionError(f"{event} in state {self.state}")
        if event in (Event.CLIP_STARTED, Event.CLIP_OVER):
            self.clip_plays = event is Event.CLIP_STARTED
        if event is Event.CALL_OVER and self.clip_plays:
            event = Event.CALL_OVER_CLIP_PLAYS
        self.state = TRANSITIONS[self.state, event]
        return self.state
