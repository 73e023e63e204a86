"""Clips: asked for by row, made by a task, found again by voice and text."""

import hashlib
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from announcements.models import ClipState, SpeechClip
from announcements.speech import BadText, clip_write, text_clean, voice_list
from common.clock import now
from common.errors import Invalid
from common.files import folder_make_private
from common.speech_models import ModelDamaged, ModelMissing
from households.models import Household
from protocol.errors import ErrorCode


def clip_path(clip: SpeechClip) -> Path:
    path: Path = settings.CLIPS_ROOT / str(clip.household.public_id) / f"{clip.public_id}.wav"
    return path


def clip_request(*, household: Household, text: str, voice_id: str | None) -> SpeechClip:
    """The clip's row, ready or not. Raises BadText, Invalid for a voice that is not installed."""
    clean = text_clean(text)
    voice = _voice_choose(voice_id, household.language)
    key = hashlib.sha256(f"{voice}\n{clean}".encode()).hexdigest()
    clip, _ = SpeechClip.objects.get_or_create(
        household=household, key=key, defaults={"text": clean, "voice_id": voice}
    )
    return clip


def clip_make(*, clip: SpeechClip) -> SpeechClip:
    """Speak it, unless the file is there. A missing voice makes it wait; it is never lost."""
    path = clip_path(clip)
    if clip.state == ClipState.READY and path.exists():
        return clip
    folder_make_private(path.parent)
    try:
        clip.duration_s = clip_write(clip.text, clip.voice_id or None, path, language=clip.household.language)
        clip.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        clip.state, clip.reason = ClipState.READY, ""
    except (ModelMissing, ModelDamaged) as problem:
        clip.state, clip.reason = ClipState.WAITING, str(problem)[:300]
    except BadText as problem:
        clip.state, clip.reason = ClipState.FAILED, problem.message[:300]
    except OSError as problem:
        clip.state = ClipState.WAITING
        clip.reason = f"The clip could not be stored: {problem.strerror or 'the disk does not take it'}."
    clip.save()
    return clip


def clips_due() -> list[int]:
    """Keys of clips of the last hour that nobody made: the broker lost the task, or a voice was missing."""
    waiting = SpeechClip.objects.filter(
        state__in=[ClipState.QUEUED, ClipState.WAITING],
        created_at__gt=now() - timedelta(hours=1),
        updated_at__lt=now() - timedelta(seconds=8),
    )
    return list(waiting.values_list("pk", flat=True))


def _voice_choose(voice_id: str | None, language: str) -> str:
    """The asked voice, else the one of the language; empty while no voice is installed."""
    voices = [voice.voice_id for voice in voice_list(language)]
    if voice_id is None:
        return voices[0] if voices else ""
    if voice_id not in voices:
        raise Invalid("This voice is not installed.", code=ErrorCode.NO_MODEL)
    return voice_id
