"""The job of a transcript: done once, lost never, and clear about what it waits for."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from django.conf import LazySettings

from announcements.speech import clip_write
from calls.models import Call, CallBreak, CallParticipant, Recording
from calls.quality.breaks import Break
from calls.recording.services import listening_copy_create, recording_finalize
from calls.recording.sounds import sound_path
from common.clock import now
from common.files import folder_make_private
from tests.plugin_cast import Cast
from tests.sounds import opus_write
from transcripts import services
from transcripts.engine import Segment
from transcripts.models import Transcript, TranscriptSegment, TranscriptState
from transcripts.selectors import conversation_get
from transcripts.services import ATTEMPTS, transcript_create, transcript_request, transcripts_due

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("no_scope")]
START_S = 1_790_000_000.0


@pytest.fixture
def call(cast: Cast) -> Call:
    """A call in which Anna asks and the kitchen answers two seconds later."""
    call = Call.objects.create(
        household=cast.anna.household,
        device=cast.kitchen,
        started_by=cast.anna.user,
        state="ended",
        ended_at=now(),
    )
    for role, name, text, offset in (
        ("caller", "Anna", "Please open the curtains on Thursday.", 0.0),
        ("callee", "Kitchen speaker", "Dinner is ready.", 2.0),
    ):
        participant = CallParticipant.objects.create(
            household=call.household, call=call, role=role, display_name=name
        )
        recording_make(participant, text, offset)
    return call


def recording_make(participant: CallParticipant, text: str, offset_s: float, *, part: int = 1) -> Recording:
    recording = Recording.objects.create(
        household=participant.household,
        call=participant.call,
        participant=participant,
        part=part,
        name=f"test/{participant.public_id}-{part}.ogg",
    )
    path = sound_path(recording.name)
    folder_make_private(path.parent)
    duration_s = 1.0
    if text:
        duration_s = clip_write(text, None, path.with_suffix(".wav"))
    opus_write(path.with_suffix(".wav") if text else None, path, silence_s=duration_s)
    recording_finalize(
        recording=recording,
        started_at_s=START_S + offset_s,
        duration_s=duration_s,
        size_bytes=path.stat().st_size,
        packets_lost=0,
    )
    return recording


def transcripts_write() -> None:
    rows = Transcript.objects.select_related("household", "recording__call", "recording__participant")
    for transcript in rows.order_by("pk"):
        transcript_create(transcript=transcript)


def words(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalpha() or c == " ").split()


def test_the_conversation_says_who_said_what_in_order(call: Call) -> None:
    transcripts_write()
    conversation = conversation_get(call)
    assert conversation.state == TranscriptState.READY
    assert conversation.is_demo_model
    said = [(turn.speaker, words(" ".join(s.text for s in turn.sentences))) for turn in conversation.turns]
    assert said == [
        ("Anna", ["please", "open", "the", "curtains", "on", "thursday"]),
        ("Kitchen speaker", ["dinner", "is", "ready"]),
    ]
    assert 1.8 < conversation.turns[1].sentences[0].start_s < 2.8


def test_finishing_a_recording_asks_for_a_transcript_once(call: Call) -> None:
    recording = Recording.objects.first()
    assert recording
    recording_finalize(recording=recording, started_at_s=0, duration_s=9, size_bytes=1, packets_lost=0)
    transcript_request(recording=recording)
    assert Transcript.objects.count() == 2
    recording.refresh_from_db()
    assert recording.duration_s != 9


def test_writing_it_twice_leaves_one_set_of_sentences(call: Call) -> None:
    transcripts_write()
    count = TranscriptSegment.objects.count()
    Transcript.objects.update(state=TranscriptState.QUEUED)
    transcripts_write()
    assert TranscriptSegment.objects.count() == count


def test_what_another_worker_holds_is_left_to_it(call: Call) -> None:
    Transcript.objects.update(leased_until=now() + timedelta(minutes=1), state=TranscriptState.RUNNING)
    transcripts_write()
    assert TranscriptSegment.objects.count() == 0


def test_a_worker_whose_lease_ran_out_leaves_no_word_beside_those_of_the_next(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped for longer than its lease, in the middle of a file; the job went to another worker."""
    rows = Transcript.objects.select_related("household", "recording__call", "recording__participant")
    slow, next_ = rows.order_by("pk")[0], rows.order_by("pk")[0]

    class Sleeper:
        model_name, is_demo = "slow", False

        def transcribe(self, source: Path | BinaryIO, *, language: str | None) -> Iterator[Segment]:
            yield Segment(0.0, 1.0, "Before.", ())
            Transcript.objects.filter(pk=slow.pk).update(leased_until=now() - timedelta(seconds=1))
            monkeypatch.undo()
            transcript_create(transcript=next_)
            yield Segment(1.0, 2.0, "After.", ())

    monkeypatch.setattr(services, "transcriber_get", lambda language: Sleeper())
    transcript_create(transcript=slow)
    next_.refresh_from_db()
    assert (next_.state, next_.model_name != "slow") == (TranscriptState.READY, True)
    said = " ".join(TranscriptSegment.objects.filter(transcript=next_).values_list("text", flat=True))
    assert words(said) == ["please", "open", "the", "curtains", "on", "thursday"]


def test_a_recording_without_speech_is_ready_and_empty(cast: Cast) -> None:
    call = Call.objects.create(household=cast.anna.household, device=cast.kitchen, state="ended")
    participant = CallParticipant.objects.create(
        household=call.household, call=call, role="caller", display_name="Anna"
    )
    recording_make(participant, "", 0)
    transcripts_write()
    conversation = conversation_get(call)
    assert (conversation.state, conversation.has_speech) == (TranscriptState.READY, False)


def test_a_missing_model_makes_it_wait_says_why_and_loses_nothing(
    call: Call, settings: LazySettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shipped = settings.SPEECH_MODELS_SHIPPED_ROOT
    settings.SPEECH_MODELS_SHIPPED_ROOT = tmp_path_factory.mktemp("no-models")
    transcripts_write()
    conversation = conversation_get(call)
    assert conversation.state == TranscriptState.WAITING
    assert conversation.reason
    assert transcripts_due() == []
    settings.SPEECH_MODELS_SHIPPED_ROOT = shipped
    assert len(transcripts_due()) == 2
    transcripts_write()
    assert conversation_get(call).state == TranscriptState.READY


def test_a_job_left_by_a_crash_is_handed_out_again_but_not_for_ever(call: Call) -> None:
    Transcript.objects.update(
        state=TranscriptState.RUNNING, leased_until=now() - timedelta(seconds=1), attempt_count=1
    )
    assert len(transcripts_due()) == 2
    Transcript.objects.update(attempt_count=ATTEMPTS)
    assert transcripts_due() == []
    assert conversation_get(call).state == TranscriptState.FAILED


def test_a_recording_that_is_gone_fails_in_words(call: Call) -> None:
    for recording in Recording.objects.all():
        sound_path(recording.name).unlink()
    transcripts_write()
    conversation = conversation_get(call)
    assert (conversation.state, conversation.reason) == (
        TranscriptState.FAILED,
        "The recording cannot be read.",
    )


def test_the_listening_copy_holds_both_voices_at_their_time(call: Call) -> None:
    copy = listening_copy_create(call=call)
    assert copy
    longest = max(
        r.duration_s + (2.0 if r.participant.role == "callee" else 0) for r in call.recordings.all()
    )
    assert copy.duration_s == pytest.approx(longest, abs=0.15)
    caller, others = copy.peaks["caller"], copy.peaks["others"]
    assert len(caller) == len(others)
    before = int(len(others) * 1.8 / copy.duration_s)
    assert max(others[:before]) < 0.01
    assert min(max(caller[:before]), max(others)) > 0.1


def test_no_copy_is_made_while_a_file_is_still_being_written(call: Call) -> None:
    Recording.objects.filter(participant__role="callee").update(state="writing")
    assert listening_copy_create(call=call) is None


def test_the_parts_of_one_participant_are_joined_on_the_clock_of_the_call(call: Call) -> None:
    """Anna's call moved after three seconds, and for half a second both workers heard her."""
    first = Recording.objects.get(participant__role="caller")
    second = Recording.objects.create(
        household=call.household, call=call, participant=first.participant, part=2, name="test/second.ogg"
    )
    recording_finalize(
        recording=second, started_at_s=START_S + 3.0, duration_s=4.0, size_bytes=1, packets_lost=0
    )
    for recording, start_s, text in (
        (first, 1.0, "Before the move."),
        (first, 3.2, "Heard twice."),
        (second, 0.2, "Heard twice."),
        (second, 2.0, "After the move."),
    ):
        TranscriptSegment.objects.create(
            household=call.household,
            transcript=Transcript.objects.get(recording=recording),
            start_s=start_s,
            end_s=start_s + 0.5,
            text=text,
        )
    [turn] = conversation_get(call).turns
    assert [(round(s.start_s, 3), s.text) for s in turn.sentences] == [
        (1.0, "Before the move."),
        (3.2, "Heard twice."),
        (5.0, "After the move."),
    ]


def test_a_time_without_connection_stands_where_it_was_in_the_conversation(call: Call) -> None:
    """The conversation begins with Anna's recording, half a second before the call. The last break came too late."""
    begun = now() - timedelta(seconds=60)
    Call.objects.filter(pk=call.pk).update(connected_at=begun, ended_at=begun + timedelta(seconds=20))
    call.refresh_from_db()
    first = Recording.objects.get(participant__role="caller")
    Recording.objects.filter(participant__role="callee").update(started_at=begun)
    Recording.objects.filter(pk=first.pk).update(started_at=begun - timedelta(seconds=0.5))
    transcript = Transcript.objects.get(recording=first)
    for start_s, text in ((1.0, "Before."), (3.0, "Still before."), (12.0, "Afterwards.")):
        TranscriptSegment.objects.create(
            household=call.household, transcript=transcript, start_s=start_s, end_s=start_s + 0.5, text=text
        )
    for at_s, lasted_s in ((6.0, 4.2), (15.0, 0.3), (18.0, 1.2), (25.0, 1.0)):
        began_at = begun + timedelta(seconds=at_s)
        ended_at = began_at + timedelta(seconds=lasted_s)
        CallBreak.objects.create(household=call.household, call=call, began_at=began_at, ended_at=ended_at)
    entries = conversation_get(call).entries
    assert [
        (round(entry.at_s, 3), entry.length if isinstance(entry, Break) else len(entry.sentences))
        for entry in entries
    ] == [(1.0, 2), (6.5, "4 seconds"), (12.0, 1), (15.5, "a moment"), (18.5, "1 second")]


def test_the_listening_copy_joins_the_parts_and_lasts_as_long_as_the_call(call: Call) -> None:
    begun = now() - timedelta(seconds=60)
    Call.objects.filter(pk=call.pk).update(connected_at=begun, ended_at=begun + timedelta(seconds=9))
    first = Recording.objects.get(participant__role="caller")
    second = recording_make(first.participant, "Dinner is ready.", offset_s=0, part=2)
    for recording, offset_s in ((first, 0.0), (second, 6.0)):
        Recording.objects.filter(pk=recording.pk).update(started_at=begun + timedelta(seconds=offset_s))
    Recording.objects.filter(participant__role="callee").update(started_at=begun)
    call.refresh_from_db()
    copy = listening_copy_create(call=call)
    assert copy
    assert copy.duration_s == pytest.approx(9.0, abs=0.05)
    step_s = copy.duration_s / len(copy.peaks["caller"])
    said = [index * step_s for index, peak in enumerate(copy.peaks["caller"]) if peak > 0.1]
    assert said[0] < 1.0
    assert not [at_s for at_s in said if first.duration_s < at_s < 6.0]
    assert [at_s for at_s in said if at_s > 6.0]
