"""A call in which one end stays alone ends, by the row, wherever the loss was noticed."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from calls.ending.services import call_leg_left
from calls.models import Call, CallParticipant
from calls.services import call_accept, call_leg_joined, call_leg_lost, call_start
from calls.sweep import calls_sweep
from calls.workers.ends import GONE_AFTER, MOVED_GRACE, legs_heard
from calls.workers.moves import calls_move, worker_dead
from calls.workers.placement import worker_goodbye, worker_heartbeat
from common.clock import now
from protocol.messages.calls import LOST_FOR_GOOD, CallEnd, CallOutcome
from tests.plugin_cast import Cast, device_go_online

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("no_scope")]

DEVICE_GONE = "The connection to Kitchen speaker was lost and did not come back."
CALLER_GONE = "The connection to Anna was lost and did not come back."


@pytest.fixture(autouse=True)
def workers() -> Iterator[None]:
    worker_heartbeat(worker_id="old", leg_count=0)
    worker_heartbeat(worker_id="new", leg_count=4)
    yield
    for worker_id in ("old", "new"):
        worker_goodbye(worker_id=worker_id)


@pytest.fixture
def call(cast: Cast) -> Call:
    """Connected, at the worker "old"."""
    device_go_online(cast.kitchen)
    call = call_start(membership=cast.anna, device=cast.kitchen)
    call_accept(call=call)
    for role in ("caller", "callee"):
        call_leg_joined(leg=leg_of(call, role), worker_id="old")
    call.refresh_from_db()
    assert (call.worker_id, call.state) == ("old", "connected")
    return call


def leg_of(call: Call, role: str) -> CallParticipant:
    legs = CallParticipant.objects.select_related("call__device", "call__household")
    return legs.get(call=call, role=role)


def later(call: Call, after: timedelta) -> None:
    """As if this had passed since its ends were lost."""
    for leg in call.participants.all():
        leg.lost_at = leg.lost_at and leg.lost_at - after
        leg.awaited_at = leg.awaited_at and leg.awaited_at - after
        leg.save()


def away(call: Call) -> list[str]:
    return sorted(call.participants.exclude(lost_at=None).values_list("role", flat=True))


def assert_ends(call: Call, reason: str, *, passed: timedelta = timedelta()) -> None:
    """By the sweep, not before its time, and once. `passed`: since the end was lost."""
    later(call, GONE_AFTER - passed - timedelta(seconds=2))
    assert calls_sweep() == 0
    later(call, timedelta(seconds=3))
    assert calls_sweep() == 1
    call.refresh_from_db()
    assert (call.is_live, call.outcome, call.reason) == (False, CallOutcome.ANSWERED, reason)
    assert calls_sweep() == 0


def test_an_end_that_stays_away_is_gone_also_when_nobody_says_so(call: Call) -> None:
    call_leg_lost(leg=leg_of(call, "callee"), worker_id="old")
    assert_ends(call, DEVICE_GONE)


def test_everybody_hears_the_end_once_with_its_reason(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    for module in ("calls.pushes", "common.push"):
        monkeypatch.setattr(f"{module}.push_on_commit", lambda group, message: told.append(message))
    call_leg_lost(leg=leg_of(call, "caller"), worker_id="old")
    told.clear()
    assert_ends(call, CALLER_GONE)
    ends = [message for message in told if isinstance(message, CallEnd)]
    assert [message.reason for message in ends] == [CALLER_GONE] * 2  # the household and the device


def test_an_end_that_comes_back_keeps_the_call(call: Call) -> None:
    call_leg_lost(leg=leg_of(call, "callee"), worker_id="old")
    later(call, GONE_AFTER)
    call_leg_joined(leg=leg_of(call, "callee"), worker_id="old")
    assert calls_sweep() == 0
    assert away(call) == []


def test_the_worker_that_gives_an_end_up_names_it(call: Call) -> None:
    call_leg_left(leg=leg_of(call, "callee"), reason=LOST_FOR_GOOD, worker_id="old")
    call.refresh_from_db()
    assert (call.is_live, call.reason) == (False, DEVICE_GONE)


def test_an_end_that_does_not_follow_to_the_next_worker_is_away_and_then_gone(call: Call) -> None:
    worker_dead(worker_id="old")
    call_leg_joined(leg=leg_of(call, "callee"), worker_id="new")
    heard = {leg_of(call, "callee").public_id: True}
    legs_heard(worker_id="new", heard=heard)
    assert away(call) == []  # it may be on its way
    later(call, MOVED_GRACE)
    legs_heard(worker_id="new", heard=heard)
    assert away(call) == ["caller"]
    assert_ends(call, CALLER_GONE, passed=MOVED_GRACE)


def test_when_nobody_follows_the_call_ends_too(call: Call) -> None:
    calls_move(worker_id="old")
    assert_ends(call, DEVICE_GONE)


def test_word_of_the_former_worker_does_not_count_as_being_there(call: Call) -> None:
    calls_move(worker_id="old")
    for role in ("caller", "callee"):
        call_leg_joined(leg=leg_of(call, role), worker_id="old")
    assert call.participants.exclude(awaited_at=None).count() == 2
    legs_heard(worker_id="old", heard={leg_of(call, "caller").public_id: True})
    assert call.participants.exclude(awaited_at=None).count() == 2
    for role in ("caller", "callee"):
        call_leg_joined(leg=leg_of(call, role), worker_id="new")
    assert call.participants.filter(awaited_at=None, lost_at=None).count() == 2


def test_what_the_worker_repeats_makes_up_for_words_that_were_lost(call: Call) -> None:
    caller, callee = (leg_of(call, role).public_id for role in ("caller", "callee"))
    legs_heard(worker_id="old", heard={caller: False, callee: True})
    assert away(call) == ["caller"]
    legs_heard(worker_id="old", heard={caller: True, callee: True})
    assert away(call) == []
    legs_heard(worker_id="old", heard={caller: True})  # the other one's end was told in vain
    assert away(call) == ["callee"]
    assert_ends(call, DEVICE_GONE)


def test_the_row_of_a_call_that_goes_on_is_not_written(call: Call) -> None:
    before = list(call.participants.order_by("pk").values())
    heard = {leg.public_id: True for leg in call.participants.all()}
    legs_heard(worker_id="old", heard=heard)
    legs_heard(worker_id="new", heard=dict.fromkeys(heard, False))
    assert list(call.participants.order_by("pk").values()) == before


def test_a_call_that_was_never_connected_has_its_own_limits(cast: Cast) -> None:
    device_go_online(cast.kitchen)
    call = call_start(membership=cast.anna, device=cast.kitchen)
    call_accept(call=call)
    call_leg_joined(leg=leg_of(call, "caller"), worker_id="old")
    legs_heard(worker_id="old", heard={leg_of(call, "caller").public_id: False})
    CallParticipant.objects.filter(call=call).update(lost_at=now() - 2 * GONE_AFTER)
    assert calls_sweep() == 0
