"""The table of states, against a model that says the rules in another way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.state import TRANSITIONS, DeviceState, Event, ForbiddenTransitionError, State

pytestmark = pytest.mark.unit

EVENTS = st.lists(st.sampled_from(list(Event)), max_size=60)


class Model:
    """Two facts instead of four states."""

    def __init__(self) -> None:
        self.call: str | None = None
        self.clip = False

    def allows(self, event: Event) -> bool:
        return {
            Event.CALL_RINGS: self.call is None,
            Event.CALL_ANSWERED: self.call != "in_call",
            Event.CALL_OVER: self.call is not None,
            Event.CLIP_STARTED: not self.clip,
            Event.CLIP_OVER: self.clip,
            Event.CALL_OVER_CLIP_PLAYS: False,
        }[event]

    def apply(self, event: Event) -> None:
        if event in (Event.CLIP_STARTED, Event.CLIP_OVER):
            self.clip = event is Event.CLIP_STARTED
        else:
            self.call = {Event.CALL_RINGS: "ringing", Event.CALL_ANSWERED: "in_call"}.get(event)

    @property
    def state(self) -> State:
        if self.call is not None:
            return State(self.call)
        return State.ANNOUNCING if self.clip else State.IDLE


@given(EVENTS)
def test_every_sequence_of_events_agrees_with_the_model(events: list[Event]) -> None:
    device, model = DeviceState(), Model()
    for event in events:
        assert device.may(event) == model.allows(event)
        if model.allows(event):
            model.apply(event)
            device.apply(event)
        else:
            before = (device.state, device.clip_plays)
            with pytest.raises(ForbiddenTransitionError):
                device.apply(event)
            assert (device.state, device.clip_plays) == before
        assert device.state is model.state
        assert device.clip_plays is model.clip
        assert device.takes_calls == (model.call is None)
        assert device.has_call == (model.call is not None)


def test_every_state_is_reached_and_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert set(TRANSITIONS.values()) == set(State)
