"""From a finished recording to sentences. May be started again at any point; the last whole run counts."""

from dataclasses import asdict
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django_scopes import scope

from calls.models import Recording
from calls.recording.sounds import sound_open
from common.clock import now
from common.errors import Conflict, Unavailable
from common.push import group_household, push, push_on_commit
from common.speech_models import ModelDamaged, ModelMissing
from protocol.messages.sound import Transcription
from sealing.files import SealError
from transcripts.engine import Segment, Transcriber, UnreadableAudio
from transcripts.models import Transcript, TranscriptSegment, TranscriptState
from transcripts.recogniser import transcriber_get

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=2)
ATTEMPTS = 4


def transcript_request(*, recording: Recording) -> Transcript:
    """The job's row. Once per recording."""
    transcript, _ = Transcript.objects.get_or_create(
        recording=recording, defaults={"household": recording.household}
    )
    return transcript


def transcript_retry(*, transcript: Transcript) -> None:
    """A member asks for another try. Raises Conflict unless it failed or waits."""
    rows = Transcript.objects.filter(
        pk=transcript.pk, state__in=[TranscriptState.FAILED, TranscriptState.WAITING]
    )
    if not rows.update(state=TranscriptState.QUEUED, reason="", attempt_count=0, leased_until=None):
        raise Conflict("This transcript is being written already.")
    transcript_tell(transcript)


def transcript_create(*, transcript: Transcript) -> None:
    """Do the job if nobody else does. Ends in ready, waiting or failed; a crash leaves a lease that runs out."""
    if not _lease_take(transcript):
        return
    try:
        transcriber = transcriber_get(transcript.household.language)
        _write(transcript, transcriber)
    except (ModelMissing, ModelDamaged) as problem:
        _leave(transcript, TranscriptState.WAITING, str(problem))
    except Unavailable as problem:
        _leave(transcript, TranscriptState.FAILED, str(problem))
    except (UnreadableAudio, FileNotFoundError, SealError):
        _leave(transcript, TranscriptState.FAILED, "The recording cannot be read.")


def transcripts_due() -> list[int]:
    """Keys of jobs that nobody holds: lost by the broker, left by a crash, or waiting while a model is there now."""
    free = Q(leased_until=None) | Q(leased_until__lt=now())
    old = Q(state=TranscriptState.QUEUED, updated_at__lt=now() - timedelta(seconds=15))
    due = Transcript.objects.filter(free & (old | Q(state=TranscriptState.RUNNING)))
    tired = due.filter(attempt_count__gte=ATTEMPTS)
    for transcript in tired.select_related("recording__call", "household"):
        with scope(household=transcript.household):
            _leave(
                transcript, TranscriptState.FAILED, "The transcript could not be written, several times over."
            )
    keys = list(due.values_list("pk", flat=True))
    waiting = Transcript.objects.filter(state=TranscriptState.WAITING)
    if waiting.exists() and _model_is_there():
        keys += waiting.values_list("pk", flat=True)
    return keys


def transcript_tell(transcript: Transcript) -> None:
    """Open pages fetch the transcript again."""
    call = transcript.recording.call
    hint = Transcription(call_id=call.public_id, text="", final=transcript.state == TranscriptState.READY)
    push_on_commit(group_household(transcript.household.public_id), hint)


def _lease_take(transcript: Transcript) -> bool:
    free = Q(leased_until=None) | Q(leased_until__lt=now())
    open_states = [TranscriptState.QUEUED, TranscriptState.WAITING, TranscriptState.RUNNING]
    rows = Transcript.objects.filter(free, pk=transcript.pk, state__in=open_states)
    if not rows.update(
        state=TranscriptState.RUNNING,
        reason="",
        leased_until=now() + LEASE,
        attempt_count=transcript.attempt_count + 1,
        updated_at=now(),
    ):
        return False
    transcript.refresh_from_db()
    transcript_tell(transcript)
    return True


def _lease_renew(transcript: Transcript) -> bool:
    """False: it ran out and another worker has the job. Inside a transaction the row stays locked until its end."""
    until = now() + LEASE
    held = Transcript.objects.filter(pk=transcript.pk, leased_until=transcript.leased_until)
    is_held = bool(held.update(leased_until=until))
    transcript.leased_until = until
    return is_held


def _write(transcript: Transcript, transcriber: Transcriber) -> None:
    transcript.segments.all().delete()
    with sound_open(transcript.recording) as source:
        for segment in transcriber.transcribe(source, language=transcript.household.language):
            if not _segment_keep(transcript, segment):
                return
            hint = Transcription(call_id=transcript.recording.call.public_id, text="", final=False)
            push(group_household(transcript.household.public_id), hint)
    if not _lease_renew(transcript):
        return
    transcript.model_name, transcript.is_demo_model = transcriber.model_name, transcriber.is_demo
    transcript.finished_at = now()
    _leave(transcript, TranscriptState.READY, "")


def _segment_keep(transcript: Transcript, segment: Segment) -> bool:
    """False, and nothing is kept: another worker writes this transcript now."""
    with transaction.atomic():
        if not _lease_renew(transcript):
            log.warning("a transcript was left to another worker", transcript_id=str(transcript.public_id))
            return False
        TranscriptSegment.objects.create(
            household=transcript.household, transcript=transcript, **_segment_fields(segment)
        )
    return True


def _segment_fields(segment: Segment) -> dict[str, object]:
    return {
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "text": segment.text,
        "words": [asdict(word) for word in segment.words],
    }


def _leave(transcript: Transcript, state: TranscriptState, reason: str) -> None:
    with transaction.atomic():
        transcript.state, transcript.reason, transcript.leased_until = state, reason[:300], None
        if state == TranscriptState.WAITING:
            transcript.attempt_count = 0  # waiting is nobody's fault
        transcript.save()
        transcript_tell(transcript)


def _model_is_there() -> bool:
    from common.speech_models import Kind, chosen

    try:
        chosen(Kind.RECOGNISER)
    except (ModelMissing, ModelDamaged):
        return False
    return True
