"""Recording rows, and the listening copy that is made of them."""

from datetime import UTC, datetime
from pathlib import Path

import av
from django.conf import settings
from django.db import transaction

from calls.events import recording_finalized
from calls.mixdown import Track, mixdown, sound_duration_s
from calls.models import Call, CallParticipant, ListeningCopy, ParticipantRole, Recording, RecordingState
from common.push import group_household, push_on_commit
from protocol.messages import Transcription

PART_SUFFIX = ".part"  # while the worker writes


def recording_path(name: str) -> Path:
    """Names are made by the hub; a name that leads out of the root is a bug."""
    path: Path = (settings.RECORDINGS_ROOT / name).resolve()
    if not path.is_relative_to(Path(settings.RECORDINGS_ROOT).resolve()):
        raise ValueError("a recording outside its root")
    return path


def recording_name(participant: CallParticipant) -> str:
    call = participant.call
    return f"{call.household.public_id}/{call.public_id}/{participant.public_id}.ogg"


def recording_start(*, participant: CallParticipant, name: str) -> Recording:
    """The worker opened the file. The same file again, after a move, is the same row."""
    recording, _ = Recording.objects.get_or_create(
        participant=participant,
        defaults={"household": participant.household, "call": participant.call, "name": name},
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
    path = recording_path(recording.name)
    partial = path.with_name(f"{path.name}{PART_SUFFIX}")
    if partial.exists():
        partial.replace(path)
    duration_s = sound_duration_s(path) if path.exists() else 0.0
    if duration_s and recording.call.connected_at:
        recording_finalize(
            recording=recording,
            started_at_s=recording.call.connected_at.timestamp(),
            duration_s=duration_s,
            size_bytes=path.stat().st_size,
            packets_lost=0,
        )
    else:
        Recording.objects.filter(pk=recording.pk, state=RecordingState.WRITING).update(
            state=RecordingState.LOST
        )


def listening_copy_create(*, call: Call) -> ListeningCopy | None:
    """Mix the finished recordings. None while one is still being written, or when there is none that can be read.

    Raises av.FFmpegError where the fault is not with the recordings, as on a full disk.
    """
    recordings = list(Recording.objects.filter(call=call).select_related("participant"))
    finished = [r for r in recordings if r.state == RecordingState.FINISHED and r.started_at]
    if not finished or any(r.state == RecordingState.WRITING for r in recordings):
        return None
    start = min(r.started_at for r in finished if r.started_at)
    tracks = [
        Track(
            path=recording_path(r.name),
            offset_s=(r.started_at - start).total_seconds() if r.started_at else 0.0,
            is_caller=r.participant.role == ParticipantRole.CALLER,
        )
        for r in finished
    ]
    name = f"{call.household.public_id}/{call.public_id}/listening.m4a"
    try:
        result = mixdown(tracks, recording_path(name))
    except av.FFmpegError:
        if not _unreadable_mark(finished):
            raise
        return None  # the sweep tries again with what is left
    copy, _ = ListeningCopy.objects.update_or_create(
        call=call,
        defaults={
            "household": call.household,
            "name": name,
            "duration_s": result.duration_s,
            "size_bytes": result.size_bytes,
            "peaks": result.peaks,
        },
    )
    push_on_commit(
        group_household(call.household.public_id), Transcription(call_id=call.public_id, text="", final=False)
    )
    return copy


def _unreadable_mark(recordings: list[Recording]) -> int:
    """Call those of which nothing can be decoded lost. Returns how many."""
    bad = [r.pk for r in recordings if not sound_duration_s(recording_path(r.name))]
    return Recording.objects.filter(pk__in=bad).update(state=RecordingState.LOST)
