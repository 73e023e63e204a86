"""What stands on the pages that tests/e2e looks at: a call with its sound and its words, and an announcement."""

import math
import wave
from datetime import timedelta
from pathlib import Path

from django_scopes import scope

from announcements.models import Announcement, AnnouncementDelivery, ClipState, SpeechClip
from calls.models import (
    Call,
    CallParticipant,
    ListeningCopy,
    Measurer,
    ParticipantRole,
    Recording,
    RecordingState,
)
from calls.quality.measurements import Way, samples_store
from calls.recording.sounds import sound_path
from common.clock import now
from devices.models import DevicePresence
from protocol.messages.announcements import DeliveryState
from protocol.messages.calls import CallOutcome, CallState
from protocol.quality import StatsSample
from tests.plugin_cast import Cast, device_make
from transcripts.models import Transcript, TranscriptSegment, TranscriptState

SPOKEN = [
    (ParticipantRole.CALLER, 0.4, 2.1, "Are you coming down?"),
    (ParticipantRole.CALLEE, 2.6, 4.4, "In a minute."),
    (ParticipantRole.CALLEE, 4.6, 6.0, "I am still reading."),
    (ParticipantRole.CALLER, 6.4, 8.2, "The soup is ready."),
]
LENGTH_S = 9.0


def call_fill(cast: Cast) -> Call:
    """An answered call with its recording and its words, beside one of each other outcome."""
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True, last_seen_at=now())
        device_make(cast.anna, "Nursery speaker", "Nursery")
        for outcome in CallOutcome:
            _call_make(cast, outcome)
        return _call_make(cast, CallOutcome.ANSWERED, has_words=True)


def _call_make(cast: Cast, outcome: CallOutcome, *, has_words: bool = False) -> Call:
    ended, household = now(), cast.anna.household
    answered = outcome == CallOutcome.ANSWERED
    call = Call.objects.create(
        household=household,
        device=cast.kitchen,
        started_by=cast.anna.user,
        state=CallState.ENDED,
        outcome=outcome,
        connected_at=ended - timedelta(seconds=LENGTH_S) if answered else None,
        ended_at=ended,
        hung_up_by="caller" if answered else "",
    )
    if has_words:
        for role, name in ((ParticipantRole.CALLER, "Anna"), (ParticipantRole.CALLEE, "Kitchen speaker")):
            _statistics_make(_words_make(call, role, name))
        _copy_make(call)
    return call


def _statistics_make(leg: CallParticipant) -> None:
    """A second in which the caller's sound broke up."""
    for measurer in Measurer:
        is_bad = leg.role == ParticipantRole.CALLER and measurer == Measurer.HUB
        samples = [
            StatsSample(
                packets_received=50,
                packets_lost=30 if is_bad and second == 4 else 0,
                jitter_s=0.004 + 0.002 * (second % 3),
                round_trip_time_s=0.03 + 0.01 * (second % 2),
            )
            for second in range(int(LENGTH_S))
        ]
        begin = leg.call.connected_at or now()
        way = Way(codec="audio/opus", path="host srflx udp")
        samples_store(leg=leg, measurer=measurer, started_at=begin, samples=samples, way=way)


def _words_make(call: Call, role: ParticipantRole, name: str) -> CallParticipant:
    household = call.household
    participant = CallParticipant.objects.create(household=household, call=call, role=role, display_name=name)
    recording = Recording.objects.create(
        household=household,
        call=call,
        participant=participant,
        name=f"{call.public_id}/{role}.ogg",
        state=RecordingState.FINISHED,
        started_at=call.connected_at,
        duration_s=LENGTH_S,
    )
    transcript = Transcript.objects.create(
        household=household, recording=recording, state=TranscriptState.READY, is_demo_model=True
    )
    for who, start_s, end_s, text in SPOKEN:
        if who == role:
            TranscriptSegment.objects.create(
                household=household, transcript=transcript, start_s=start_s, end_s=end_s, text=text
            )
    return participant


def _copy_make(call: Call) -> None:
    name = f"{call.household.public_id}/{call.public_id}/listening.m4a"
    _tone_write(sound_path(name))
    loud = [abs(math.sin(i / 9)) * abs(math.sin(i / 2.3)) for i in range(300)]
    peaks = {"caller": [v if i % 100 < 50 else 0.02 for i, v in enumerate(loud)]}
    peaks["others"] = [v if i % 100 >= 50 else 0.02 for i, v in enumerate(loud)]
    ListeningCopy.objects.create(
        household=call.household, call=call, name=name, duration_s=LENGTH_S, size_bytes=1, peaks=peaks
    )


def _tone_write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * int(8000 * LENGTH_S)))


def announcement_fill(cast: Cast) -> Announcement:
    """With a delivery in each state."""
    with scope(household=cast.anna.household):
        household = cast.anna.household
        clip = SpeechClip.objects.create(
            household=household, key="k", text="Dinner.", state=ClipState.WAITING
        )
        row = Announcement.objects.create(
            household=household,
            text="Dinner is ready. Please wash your hands.",
            clip=clip,
            sent_by=cast.anna.user,
            expires_at=now() + timedelta(hours=1),
        )
        for state, name in zip(DeliveryState, ("Kitchen", "Office", "Attic", "Hall", "Cellar"), strict=True):
            device, _ = device_make(cast.anna, f"{name} speaker {state}", name)
            AnnouncementDelivery.objects.create(
                household=household, announcement=row, device=device, state=state, played_at=now()
            )
        return row
