"""What a call may become, and who wins when two things happen at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django_scopes import scopes_disabled
from hypothesis import given
from hypothesis import strategies as st

from calls.models import Call
from calls.state import LIVE_STATES, TRANSITIONS, call_move, may_move
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast

pytestmark = pytest.mark.integration


@given(st.lists(st.sampled_from(CallState), max_size=12))
def test_whatever_is_tried_a_call_only_goes_forward_and_never_leaves_its_end(wanted: list[CallState]) -> None:
    order = list(CallState)
    state = CallState.CALLING
    for target in wanted:
        if may_move(state, target):
            assert order.index(target) > order.index(state)
            state = target
    assert state in CallState
    assert TRANSITIONS[CallState.ENDED] == frozenset()


def test_every_live_call_can_be_ended() -> None:
    assert all(may_move(state, CallState.ENDED) for state in LIVE_STATES)


@pytest.mark.django_db(transaction=True)
def test_of_many_moves_to_the_same_state_at_once_one_counts(cast: Cast) -> None:
    with scopes_disabled():
        call = Call.objects.create(
            household=cast.anna.household, device=cast.kitchen, started_by=cast.anna.user
        )

    def hang_up(_: int) -> bool:
        try:
            with scopes_disabled():
                return call_move(Call.objects.get(pk=call.pk), CallState.ENDED)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(hang_up, range(8))) == [False] * 7 + [True]
