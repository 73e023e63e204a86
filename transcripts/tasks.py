"""Doors from Celery to the services."""

from pathlib import Path

from celery import shared_task

from common.errors import DomainError
from common.push import push_channel
from common.tasks import delay_now, in_household_of, over_all_households
from protocol.errors import ErrorCode
from protocol.messages.socket import Error
from protocol.messages.sound import Transcription
from transcripts.models import Transcript
from transcripts.recogniser import transcriber_get
from transcripts.services import transcript_create, transcripts_due


@shared_task
@in_household_of("transcripts.Transcript")
def transcript_create_task(transcript_pk: int) -> None:
    rows = Transcript.objects.select_related("household", "recording__call", "recording__participant")
    transcript_create(transcript=rows.get(pk=transcript_pk))


@shared_task
@over_all_households
def transcripts_sweep_task() -> None:
    for key in transcripts_due():
        delay_now(transcript_create_task, key)


@shared_task
def capture_transcribe_task(path: str, language: str, channel: str, reply_to: str | None) -> None:
    """What a client said between mic_start and mic_stop; the answer goes to its socket and the file away."""
    file = Path(path)
    try:
        segments = transcriber_get(language).transcribe(file, language=language)
        text = " ".join(segment.text for segment in segments)
        push_channel(channel, Transcription(text=text, final=True, reply_to=reply_to))
    except DomainError as problem:
        code = problem.wire_code if problem.wire_code is not ErrorCode.BAD_MESSAGE else ErrorCode.INTERNAL
        push_channel(channel, Error(code=code, message=problem.message, reply_to=reply_to))
    finally:
        file.unlink(missing_ok=True)
