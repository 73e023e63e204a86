"""Nothing stays half made: forgotten calls end, with a reason in words."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import IntegrityError

from calls.ending.services import call_end
from calls.models import REASON_NO_WORKER, Call, CallParticipant, Recording, RecordingState
from calls.recording.sounds import sound_path
from calls.services import call_accept, call_leg_joined, call_ring, call_start
from calls.sweep import LEASE_GRACE, calls_sweep
from calls.workers.moves import WAIT
from calls.workers.placement import worker_goodbye, worker_heartbeat
from common.clock import now
from common.errors import DeviceBusy, Unavailable
from common.files import folder_make_private
from protocol.messages.calls import CallOutcome, CallState
from tests.plugin_cast import Cast, device_go_online
from tests.sounds import opus_write

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("no_scope")]


@pytest.fixture
def call(cast: Cast) -> Iterator[Call]:
    worker_heartbeat(worker_id="w", leg_count=0)
    device_go_online(cast.kitchen)
    yield call_start(membership=cast.anna, device=cast.kitchen)
    worker_goodbye(worker_id="w")


def age(call: Call, seconds: float) -> None:
    moment = now() - timedelta(seconds=seconds)
    Call.objects.filter(pk=call.pk).update(created_at=moment)
    Call.objects.filter(pk=call.pk).exclude(accepted_at=None).update(accepted_at=moment)
    call.refresh_from_db()


def test_a_call_that_nobody_answers_ends_after_the_ring_time(call: Call, settings: LazySettings) -> None:
    call_ring(call=call)
    age(call, settings.RING_TIMEOUT_S - 2)
    assert calls_sweep() == 0
    age(call, settings.RING_TIMEOUT_S + 1)
    assert calls_sweep() == 1
    call.refresh_from_db()
    assert (call.state, call.outcome) == (CallState.ENDED, CallOutcome.NO_ANSWER)
    assert call.reason == "Kitchen speaker did not answer."


def test_an_accepted_call_without_audio_ends_as_failed(call: Call, settings: LazySettings) -> None:
    call_accept(call=call)
    age(call, settings.CONNECT_TIMEOUT_S + 1)
    assert calls_sweep() == 1
    call.refresh_from_db()
    assert (call.outcome, call.reason) == (CallOutcome.FAILED, "No audio came through.")


def test_a_call_whose_worker_is_gone_waits_for_another_and_then_ends(call: Call) -> None:
    worker_goodbye(worker_id="w")
    assert calls_sweep() == 0
    lost_at = now() - WAIT - timedelta(seconds=1)
    Call.objects.filter(pk=call.pk).update(worker_lost_at=lost_at)
    assert calls_sweep() == 1
    call.refresh_from_db()
    assert (call.outcome, call.reason, call.ended_at) == (CallOutcome.FAILED, REASON_NO_WORKER, lost_at)


def test_a_call_whose_worker_was_only_away_from_redis_goes_on(call: Call) -> None:
    worker_goodbye(worker_id="w")
    calls_sweep()
    worker_heartbeat(worker_id="w", leg_count=2)
    assert calls_sweep() == 0
    call.refresh_from_db()
    assert (call.is_live, call.worker_id, call.worker_lost_at) == (True, "w", None)


def test_a_call_that_no_worker_noticed_moves_to_one_that_lives(call: Call) -> None:
    worker_goodbye(worker_id="w")
    worker_heartbeat(worker_id="x", leg_count=0)
    assert calls_sweep() == 0
    Call.objects.filter(pk=call.pk).update(worker_lost_at=now() - LEASE_GRACE)
    assert calls_sweep() == 0
    call.refresh_from_db()
    assert (call.worker_id, call.worker_lost_at) == ("x", None)
    worker_goodbye(worker_id="x")


def test_a_call_in_full_swing_is_left_alone(call: Call) -> None:
    call_accept(call=call)
    for leg in CallParticipant.objects.filter(call=call):
        call_leg_joined(leg=leg, worker_id="w")
    age(call, 7200)
    assert calls_sweep() == 0


def test_it_is_connected_only_when_both_ends_were_heard_and_the_call_was_accepted(call: Call) -> None:
    caller, callee = CallParticipant.objects.filter(call=call).order_by("role")[::-1]
    call_leg_joined(leg=caller, worker_id="w")
    call_leg_joined(leg=callee, worker_id="w")
    call.refresh_from_db()
    assert call.state == CallState.CALLING
    call_accept(call=call)
    assert call.state == CallState.CONNECTED
    call_end(call=call)
    assert call.outcome == CallOutcome.ANSWERED
    assert call.duration_s >= 0


def test_a_device_is_in_one_call_at_a_time_and_the_second_try_stands_in_the_history(
    call: Call, cast: Cast
) -> None:
    with pytest.raises(DeviceBusy):
        call_start(membership=cast.ben, device=cast.kitchen)
    assert Call.objects.get(outcome=CallOutcome.BUSY).state == CallState.ENDED
    with pytest.raises(IntegrityError):
        Call.objects.create(household=cast.anna.household, device=cast.kitchen)


def test_without_a_media_worker_a_call_says_so_and_leaves_nothing(cast: Cast) -> None:
    with pytest.raises(Unavailable, match="carries the audio is not running"):
        call_start(membership=cast.anna, device=cast.kitchen)
    assert Call.objects.count() == 0


def recording_left_open(call: Call, name: str) -> Recording:
    participant = call.participants.get(role="caller")
    recording = Recording.objects.create(
        household=call.household, call=call, participant=participant, name=name
    )
    call_end(call=call)
    moment = now() - timedelta(minutes=3)
    Call.objects.filter(pk=call.pk).update(ended_at=moment, connected_at=moment - timedelta(minutes=1))
    return recording


def test_a_recording_of_which_nothing_was_written_is_said_to_be_lost(call: Call) -> None:
    recording = recording_left_open(call, "gone/nothing.ogg")
    calls_sweep()
    recording.refresh_from_db()
    assert recording.state == RecordingState.LOST


def test_what_a_killed_worker_had_written_is_kept(call: Call) -> None:
    recording = recording_left_open(call, f"killed/{call.public_id}.ogg")
    path = sound_path(recording.name)
    folder_make_private(path.parent)
    opus_write(None, path, silence_s=3.0)
    whole = path.read_bytes()
    path.unlink()
    path.with_name(f"{path.name}.part").write_bytes(whole[: len(whole) * 2 // 3])
    calls_sweep()
    recording.refresh_from_db()
    assert recording.state == RecordingState.FINISHED
    assert path.exists()
    assert 0.5 < recording.duration_s < 3.0
