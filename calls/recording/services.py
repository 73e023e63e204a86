"""Recording rows, and the listening copy that is made of them."""

from datetime import UTC, datetime
from functools import partial

import av
from django.db import transaction

from calls.events import recording_finalized
from calls.models import Call, CallParticipant, ListeningCopy, ParticipantRole, Recording, RecordingState
from calls.pushes import call_push
from calls.recording.mixdown import Track, mixdown, sound_duration_s
from calls.recording.parts import recording_length_s, recording_parts
from calls.recording.sounds import sound_key_wrap, sound_open, sound_path, sound_scratch, sound_seal
from protocol.messages.sound import Transcription
from sealing.files import SealError

PART_SUFFIX = ".part"  # while the worker writes


def recording_name(participant: CallParticipant) -> str:
    call = participant.call
    return f"{call.household.public_id}/{call.public_id}/{participant.public_id}.ogg"


def recording_start(
    *, participant: CallParticipant, name: str, started_at_s: float, key: bytes, worker_id: str
) -> Recording:
    """The worker opened a file: the participant's next part. The same file again is the same row."""
    with transaction.atomic():
        parts = CallParticipant.objects.select_for_update().get(pk=participant.pk).recordings
        recording, _ = parts.get_or_create(
            name=name,
            defaults={
                "household": participant.household,
                "call": participant.call,
                "part": parts.count() + 1,
                "started_at": datetime.fromtimestamp(started_at_s, tz=UTC),
                "key": sound_key_wrap(household=participant.household, name=name, key=key),
                "worker_id": worker_id,
            },
        )
    return recording


def recording_finalize(
    *, recording: Recording, started_at_s: float, duration_s: float, size_bytes: int, packets_lost: int
) -> None:
    """The file is whole. Once: a second report changes nothing."""
    with transaction.atomic():
        done = Recording.objects.filter(pk=recording.pk).exclude(state=RecordingState.FINISHED)
        changed = done.update(
            state=RecordingState.FINISHED,
            started_at=datetime.fromtimestamp(started_at_s, tz=UTC),
            duration_s=duration_s,
            size_bytes=size_bytes,
            packets_lost=packets_lost,
        )
        if changed:
            recording.refresh_from_db()
            recording_finalized.send(sender=Recording, recording=recording)


def recording_recover(*, recording: Recording) -> None:
    """A file that its worker never closed: what was written is kept; what was not is said to be lost."""
    path = sound_path(recording.name)
    unfinished = path.with_name(f"{path.name}{PART_SUFFIX}")
    if unfinished.exists():
        unfinished.replace(path)
    duration_s = sound_duration_s(partial(sound_open, recording)) if path.exists() else 0.0
    started_at = recording.started_at or recording.call.connected_at
    if duration_s and started_at:
        recording_finalize(
            recording=recording,
            started_at_s=started_at.timestamp(),
            duration_s=duration_s,
            size_bytes=path.stat().st_size,
            packets_lost=0,
        )
    else:
        Recording.objects.filter(pk=recording.pk, state=RecordingState.WRITING).update(
            state=RecordingState.LOST
        )


def listening_copy_create(*, call: Call) -> ListeningCopy | None:
    """Mix the finished recordings. None while the call goes on or one of them is still being written, or when
    there is none that can be read.

    Raises OSError or av.FFmpegError where the fault is not with the recordings, as on a full disk.
    """
    recordings = list(Recording.objects.filter(call=call).select_related("participant", "call"))
    finished = [r for r in recordings if r.state == RecordingState.FINISHED and r.started_at]
    if call.ended_at is None or not finished or any(r.state == RecordingState.WRITING for r in recordings):
        return None
    parts = recording_parts(finished)
    tracks = [
        Track(
            opener=partial(sound_open, part.recording),
            offset_s=part.offset_s,
            is_caller=part.recording.participant.role == ParticipantRole.CALLER,
            most_s=part.most_s,
        )
        for part in parts
    ]
    name = f"{call.household.public_id}/{call.public_id}/listening.m4a"
    try:
        with sound_scratch() as scratch:
            result = mixdown(tracks, scratch, length_s=recording_length_s(parts[0].recording))
            key = sound_seal(scratch, household=call.household, name=name)
    except (av.FFmpegError, SealError, FileNotFoundError):
        if not _unreadable_mark(finished):
            raise
        return None  # the sweep tries again with what is left
    copy, _ = ListeningCopy.objects.update_or_create(
        call=call,
        defaults={
            "household": call.household,
            "name": name,
            "duration_s": result.duration_s,
            "size_bytes": sound_path(name).stat().st_size,
            "key": key,
            "peaks": result.peaks,
        },
    )
    call_push(call, Transcription(call_id=call.public_id, text="", final=False))
    return copy


def _unreadable_mark(recordings: list[Recording]) -> int:
    """Call those of which nothing can be decoded lost. Returns how many."""
    bad = [r.pk for r in recordings if not sound_duration_s(partial(sound_open, r))]
    return Recording.objects.filter(pk__in=bad).update(state=RecordingState.LOST)
