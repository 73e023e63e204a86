"""Reactions, one line each."""

from typing import Any

from django.dispatch import receiver

from calls.events import recording_finalized
from calls.models import Recording
from common.tasks import delay_on_commit
from transcripts.services import transcript_request
from transcripts.tasks import transcript_create_task


@receiver(recording_finalized)
def on_recording_finalized(recording: Recording, **_: Any) -> None:
    delay_on_commit(transcript_create_task, transcript_request(recording=recording).pk)
