"""A call goes on with another worker: one winner, nobody told twice, and nothing moves because Redis forgot."""

from collections.abc import Iterator

import pytest

from calls.ending.services import call_leg_left
from calls.models import Call, CallBreak, CallParticipant, Recording
from calls.recording.parts import recording_parts
from calls.recording.services import recording_finalize, recording_start
from calls.selectors import calls_not_with
from calls.services import call_accept, call_leg_joined, call_start
from calls.workers.moves import call_relocate, calls_end, calls_move, calls_waiting_move, worker_dead
from calls.workers.placement import (
    GONE_AFTER_S,
    LeaseWatch,
    worker_choose,
    worker_goodbye,
    worker_heartbeat,
    worker_is_alive,
)
from common import push
from common.errors import Unavailable
from protocol.messages.calls import HUNG_UP, CallMoved, CallOutcome
from tests.plugin_cast import Cast, device_go_online

KEY = bytes(range(32))
pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("no_scope")]

Pushes = list[tuple[str, object]]


@pytest.fixture(autouse=True)
def workers() -> Iterator[None]:
    for worker_id in ("old", "new"):
        worker_heartbeat(worker_id=worker_id, leg_count=0 if worker_id == "old" else 4)
    yield
    for worker_id in ("old", "new", "third"):
        worker_goodbye(worker_id=worker_id)


@pytest.fixture
def pushes(monkeypatch: pytest.MonkeyPatch) -> Pushes:
    told: Pushes = []
    monkeypatch.setattr(
        "calls.workers.moves.push_on_commit", lambda group, message: told.append((group, message))
    )
    monkeypatch.setattr(
        "calls.pushes.push_people_on_commit",
        lambda household_id, guests, message: told.append((push.group_household(household_id), message)),
    )
    return told


@pytest.fixture
def call(cast: Cast) -> Call:
    device_go_online(cast.kitchen)
    call = call_start(membership=cast.anna, device=cast.kitchen)
    call_accept(call=call)
    for leg in CallParticipant.objects.filter(call=call):
        call_leg_joined(leg=leg, worker_id="old")
    call.refresh_from_db()
    assert call.worker_id == "old"
    return call


def test_the_calls_of_a_dead_worker_move_and_both_ends_hear_of_it(
    call: Call, cast: Cast, pushes: Pushes
) -> None:
    connected_at = call.connected_at
    worker_dead(worker_id="old")
    call.refresh_from_db()
    assert (call.worker_id, call.is_live, call.connected_at) == ("new", True, connected_at)
    moved = CallMoved(call_id=call.public_id, is_failure=True)
    assert pushes == [
        (push.group_household(cast.anna.household.public_id), moved),
        (push.group_device(cast.kitchen.public_id), moved),
    ]
    assert not worker_is_alive("old")


def test_the_break_of_a_dead_worker_lasts_until_every_end_is_heard_again(call: Call) -> None:
    worker_dead(worker_id="old")
    open_breaks = CallBreak.objects.filter(call=call, ended_at=None)
    for role in ("caller", "callee"):
        assert open_breaks.exists()
        call_leg_joined(leg=CallParticipant.objects.get(call=call, role=role), worker_id="new")
    assert not open_breaks.exists()
    one = CallBreak.objects.get(call=call)
    assert one.ended_at
    assert one.began_at < one.ended_at


def test_a_call_that_waited_for_a_worker_was_broken_from_the_beginning(call: Call) -> None:
    worker_goodbye(worker_id="new")
    worker_dead(worker_id="old")
    lost_at = Call.objects.get(pk=call.pk).worker_lost_at
    worker_heartbeat(worker_id="third", leg_count=0)
    calls_waiting_move()
    assert CallBreak.objects.get(call=call).began_at == lost_at


def test_a_worker_that_drains_breaks_nothing(call: Call, pushes: Pushes) -> None:
    calls_move(worker_id="old")
    assert not CallBreak.objects.filter(call=call).exists()
    assert {message for _, message in pushes} == {CallMoved(call_id=call.public_id)}


def test_of_two_that_notice_one_moves_the_call(call: Call, pushes: Pushes) -> None:
    stale = Call.objects.select_related("device", "household").get(pk=call.pk)
    worker_heartbeat(worker_id="third", leg_count=2)
    assert call_relocate(call=call)
    assert call_relocate(call=stale)
    call.refresh_from_db()
    assert call.worker_id == "third"
    assert len(pushes) == 2


def test_a_device_that_has_not_answered_is_not_told(cast: Cast, pushes: Pushes) -> None:
    device_go_online(cast.kitchen)
    call_start(membership=cast.anna, device=cast.kitchen)
    calls_move(worker_id="old")
    assert [group for group, _ in pushes] == [push.group_household(cast.anna.household.public_id)]


def test_without_another_worker_the_call_waits_and_the_next_one_takes_it(call: Call, pushes: Pushes) -> None:
    worker_goodbye(worker_id="new")
    worker_dead(worker_id="old")
    call.refresh_from_db()
    assert (call.worker_id, call.is_live, pushes) == ("old", True, [])
    assert call.worker_lost_at
    worker_heartbeat(worker_id="third", leg_count=0)
    calls_waiting_move()
    assert Call.objects.filter(pk=call.pk, worker_id="third", worker_lost_at=None).exists()


def test_a_call_whose_worker_came_back_first_stays_with_it(call: Call, pushes: Pushes) -> None:
    worker_goodbye(worker_id="new")
    worker_dead(worker_id="old")
    worker_heartbeat(worker_id="old", leg_count=2)
    calls_waiting_move()
    call.refresh_from_db()
    assert (call.worker_id, call.worker_lost_at, pushes) == ("old", None, [])


def test_the_worker_that_the_call_has_left_cannot_end_it(call: Call, pushes: Pushes) -> None:
    calls_move(worker_id="old")
    leg = CallParticipant.objects.select_related("call__device", "call__household").filter(call=call)[0]
    call_leg_left(leg=leg, reason=HUNG_UP, worker_id="old")
    assert Call.objects.get(pk=call.pk).is_live
    assert calls_not_with([str(call.public_id)], worker_id="old") == {str(call.public_id): False}
    assert calls_not_with([str(call.public_id)], worker_id="new") == {}
    call_leg_left(leg=leg, reason="", worker_id="new")
    assert not Call.objects.get(pk=call.pk).is_live
    assert calls_not_with([str(call.public_id)], worker_id="new") == {str(call.public_id): True}


def test_a_worker_that_stops_ends_what_nobody_took_with_a_reason(call: Call) -> None:
    calls_end(worker_id="old")
    call.refresh_from_db()
    assert (call.outcome, call.reason) == (CallOutcome.ANSWERED, "The hub was stopped or restarted.")


def test_a_draining_or_full_worker_gets_no_calls(call: Call) -> None:
    worker_heartbeat(worker_id="old", leg_count=0, is_draining=True)
    assert worker_choose() == "new"
    worker_heartbeat(worker_id="new", leg_count=4, capacity=4)
    with pytest.raises(Unavailable, match="as many calls as it can"):
        worker_choose()


def test_the_share_of_the_capacity_counts_not_the_number_of_legs() -> None:
    worker_heartbeat(worker_id="old", leg_count=3, capacity=4)
    worker_heartbeat(worker_id="new", leg_count=10, capacity=100)
    assert worker_choose() == "new"


def test_calls_that_were_placed_since_the_last_heartbeat_count(call: Call) -> None:
    worker_heartbeat(worker_id="old", leg_count=0, capacity=4)
    worker_heartbeat(worker_id="new", leg_count=1, capacity=4)
    assert worker_choose() == "new"


def test_each_worker_adds_a_part_and_the_same_file_is_the_same_part(call: Call) -> None:
    leg = call.participants.get(role="caller")
    first = recording_start(participant=leg, name="a.ogg", started_at_s=100.0, key=KEY, worker_id="old")
    again = recording_start(participant=leg, name="a.ogg", started_at_s=101.0, key=KEY, worker_id="old")
    second = recording_start(participant=leg, name="b.ogg", started_at_s=107.5, key=KEY, worker_id="new")
    assert (first.pk, first.part, second.part) == (again.pk, 1, 2)
    recording_finalize(recording=first, started_at_s=100.0, duration_s=9.0, size_bytes=1, packets_lost=0)
    parts = recording_parts(Recording.objects.all())
    assert [(part.recording.pk, part.offset_s, part.most_s) for part in parts] == [
        (first.pk, 0.0, 7.5),
        (second.pk, 7.5, None),
    ]


@pytest.mark.parametrize(("late_s", "offset_s"), [(5.0, 5.0), (-0.1, 0.0), (-7200.0, 0.0)])
def test_recordings_lie_on_the_clock_of_their_call(call: Call, late_s: float, offset_s: float) -> None:
    """Where the first file was lost with its worker; a moment before the call, as usual; by a clock that was set."""
    assert call.connected_at
    begins_s = call.connected_at.timestamp() + late_s
    leg = call.participants.get(role="caller")
    for name, at_s in (("a.ogg", begins_s), ("b.ogg", begins_s + 3)):
        recording_start(participant=leg, name=name, started_at_s=at_s, key=KEY, worker_id="new")
    found = [part.offset_s for part in recording_parts(Recording.objects.all())]
    assert found == pytest.approx([offset_s, offset_s + 3])


# Leases, without Redis


def look_often(watch: LeaseWatch, present: set[str] | None, *, from_s: float, to_s: float) -> list[str]:
    seconds = range(int(from_s * 2), int(to_s * 2) + 1)
    return [gone for second in seconds for gone in watch.look(present, second / 2)]


def test_a_lease_that_stays_away_is_a_worker_that_is_gone_once() -> None:
    watch = LeaseWatch("me")
    watch.look({"me", "other"}, 0.0)
    assert look_often(watch, {"me"}, from_s=1, to_s=1 + GONE_AFTER_S - 0.5) == []
    assert look_often(watch, {"me"}, from_s=1 + GONE_AFTER_S, to_s=20) == ["other"]


def test_redis_that_is_away_or_empty_says_nothing_about_anybody() -> None:
    watch = LeaseWatch("me")
    watch.look({"me", "other"}, 0.0)
    assert look_often(watch, None, from_s=1, to_s=30) == []
    assert look_often(watch, set(), from_s=31, to_s=60) == []
    assert look_often(watch, {"me"}, from_s=61, to_s=62) == []
    assert look_often(watch, {"me", "other"}, from_s=63, to_s=70) == []


def test_a_worker_with_calls_is_missed_even_by_one_that_never_saw_it() -> None:
    watch = LeaseWatch("me")
    watch.expect({"before", "me", ""})
    assert look_often(watch, {"me"}, from_s=0, to_s=10) == ["before"]
