"""No call stays "being prepared" for ever, and none goes on with a device that is gone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant, ParticipantRole, Recording, RecordingState
from calls.recording.services import listening_copy_create
from calls.recording.sounds import sound_path
from calls.selectors import call_sound
from calls.services import call_start
from calls.sweep import copies_due
from calls.workers.placement import worker_goodbye, worker_heartbeat
from common.clock import now
from devices.presence import presence_touch
from devices.services import device_unclaim
from protocol.messages.calls import CallOutcome, CallState
from tests.plugin_cast import Cast, device_go_online
from tests.sounds import opus_write
from transcripts.selectors import conversation_get

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def no_scope(settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    settings.RECORDINGS_ROOT = tmp_path
    cache.clear()
    with scopes_disabled():
        yield


@pytest.fixture
def call(cast: Cast) -> Call:
    """Ended five minutes ago."""
    ended = now() - timedelta(minutes=5)
    return Call.objects.create(
        household=cast.anna.household,
        device=cast.kitchen,
        state=CallState.ENDED,
        outcome=CallOutcome.ANSWERED,
        connected_at=ended - timedelta(minutes=1),
        ended_at=ended,
    )


def record(call: Call, role: ParticipantRole, state: RecordingState, sound: bytes | None = None) -> Recording:
    participant = CallParticipant.objects.create(
        household=call.household, call=call, role=role, display_name=role
    )
    name = f"{call.public_id}/{role}.ogg"
    path = sound_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if sound is None:
        opus_write(None, path, silence_s=1.0)
    else:
        path.write_bytes(sound)
    return Recording.objects.create(
        household=call.household,
        call=call,
        participant=participant,
        name=name,
        state=state,
        started_at=call.connected_at,
        duration_s=1.0,
    )


def test_a_copy_that_the_broker_lost_is_asked_for_again_but_not_at_every_sweep(call: Call) -> None:
    record(call, ParticipantRole.CALLER, RecordingState.FINISHED)
    assert copies_due() == [call.pk]
    assert copies_due() == []
    cache.clear()
    listening_copy_create(call=call)
    assert copies_due() == []
    assert call_sound(call).state == "ready"


def test_one_lost_file_does_not_keep_the_other_from_being_heard(call: Call) -> None:
    record(call, ParticipantRole.CALLER, RecordingState.FINISHED)
    lost = record(call, ParticipantRole.CALLEE, RecordingState.WRITING)
    assert copies_due() == []
    Recording.objects.filter(pk=lost.pk).update(state=RecordingState.LOST)
    assert copies_due() == [call.pk]
    assert listening_copy_create(call=call) is not None


def test_a_copy_whose_first_file_was_lost_is_as_long_as_its_call(call: Call) -> None:
    late = record(call, ParticipantRole.CALLER, RecordingState.FINISHED)
    Recording.objects.filter(pk=late.pk).update(started_at=call.connected_at + timedelta(seconds=20))  # type: ignore[operator]
    copy = listening_copy_create(call=call)
    assert copy is not None
    assert copy.duration_s == pytest.approx(call.duration_s)


def test_a_file_that_is_no_sound_counts_as_lost(call: Call) -> None:
    good = record(call, ParticipantRole.CALLER, RecordingState.FINISHED)
    bad = record(call, ParticipantRole.CALLEE, RecordingState.FINISHED, sound=b"no sound at all")
    assert listening_copy_create(call=call) is None
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (RecordingState.LOST, RecordingState.FINISHED)
    assert listening_copy_create(call=call) is not None


def test_of_a_call_whose_files_are_lost_the_page_expects_nothing(call: Call) -> None:
    record(call, ParticipantRole.CALLER, RecordingState.LOST)
    assert call_sound(call).state == "none"
    assert conversation_get(call).state == "none"


def test_removing_a_device_ends_its_call(cast: Cast) -> None:
    worker_heartbeat(worker_id="w", leg_count=0)
    device_go_online(cast.kitchen)
    call = call_start(membership=cast.anna, device=cast.kitchen)
    device_unclaim(device=cast.kitchen)
    worker_goodbye(worker_id="w")
    call.refresh_from_db()
    assert (call.state, call.outcome) == (CallState.ENDED, CallOutcome.FAILED)
    assert call.reason == "Kitchen speaker was removed."


def test_a_removed_device_cannot_stay_online(cast: Cast) -> None:
    """Its socket may have connected while it was being removed; its next heartbeat sends it away."""
    device_unclaim(device=cast.kitchen)
    device_go_online(cast.kitchen, channel="late")
    assert not presence_touch(device=cast.kitchen, channel_name="late")
