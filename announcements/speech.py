"""Text to speech, whatever library does it: sentence by sentence for a live call, or as one clip."""

import unicodedata
import wave
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final
from uuid import uuid4
from zlib import crc32

import av
import numpy as np
from numpy.typing import NDArray

from announcements.levels import levelled
from announcements.synthesizer import Samples, Synthesizer
from common.errors import Invalid
from common.speech_models import CATALOGUE, InstalledModel, Kind, chosen, find, installed
from protocol.audio import SAMPLE_RATE_HZ
from protocol.errors import ErrorCode
from protocol.messages.sound import MAX_SPEECH_CHARS, Voice

LEAD_SILENCE_S: Final = 0.1
_TAIL_SILENCE_S = 0.1
_AUDIBLE = 0.01  # of full scale; a voice that only pauses still hums far below this
_FIRST_TONE_HZ = 440
_NOTHING_SPOKEN = "There is nothing in this text that can be said aloud. Write it in words."
_UNKNOWN_VOICES_FROM = 24  # semitones above the tones of the catalogue's voices


class BadText(Invalid):
    """The text cannot be spoken; the message says why, for the person who wrote it."""

    code = ErrorCode.BAD_TEXT


def text_clean(text: str) -> str:
    """The text as it is spoken: one line, 1 to 500 characters, with a letter or a digit. Raises BadText."""
    lines = " ".join(text.split())
    if not lines:
        raise BadText("Please write what should be said.")
    if len(lines) > MAX_SPEECH_CHARS:
        raise BadText(f"This text is too long: {len(lines)} characters; {MAX_SPEECH_CHARS} are possible.")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Co") for char in lines):
        raise BadText("This text holds characters that cannot be spoken.")
    if not any(map(str.isalnum, lines)):
        raise BadText(_NOTHING_SPOKEN)
    return lines


def synthesizer_get(voice_id: str | None = None, *, language: str | None = None) -> Synthesizer:
    """That voice, or the one chosen for the language, loaded once per process.

    Raises ModelMissing, ModelDamaged.
    """
    model = find(voice_id, Kind.VOICE) if voice_id else chosen(Kind.VOICE, language)
    return _load(model.folder, model.id, model.is_demo)


@lru_cache(maxsize=4)
def _load(folder: Path, voice_id: str, is_demo: bool) -> Synthesizer:
    from announcements.piper import PiperSynthesizer

    return PiperSynthesizer(folder, voice_id=voice_id, is_demo=is_demo)


def speak(text: str, voice_id: str | None = None, *, language: str | None = None) -> Iterator[Samples]:
    """Sentence by sentence at 48 kHz mono, each at the same loudness. Raises BadText, ModelMissing."""
    clean = text_clean(text)
    synthesizer = synthesizer_get(voice_id, language=language)
    return _at_48_khz(synthesizer, clean)


def _at_48_khz(synthesizer: Synthesizer, text: str) -> Iterator[Samples]:
    spoken = False
    for sentence in synthesizer.synthesize(text):
        samples = _resampled(sentence, synthesizer.sample_rate_hz)
        spoken = spoken or float(np.abs(samples).max(initial=0)) > _AUDIBLE
        yield _as_int16(levelled(samples, SAMPLE_RATE_HZ))
    if not spoken:
        raise BadText(_NOTHING_SPOKEN)


def clip_write(text: str, voice_id: str | None, path: Path, *, language: str | None = None) -> float:
    """Render the text into a WAV file (48 kHz, mono, 16 bit) and return its duration in seconds.

    The file appears complete or not at all. Raises BadText, ModelMissing, ModelDamaged, OSError.
    """
    lead, tail = _silence(LEAD_SILENCE_S), _silence(_TAIL_SILENCE_S)
    samples = np.concatenate([lead, *speak(text, voice_id, language=language), tail])
    partial = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with wave.open(str(partial), "wb") as clip:
            clip.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
            clip.writeframes(samples.astype("<i2").tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return len(samples) / SAMPLE_RATE_HZ


def _silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.int16)


def _resampled(samples: Samples, rate_hz: int) -> NDArray[np.float32]:
    """int16 at any rate to float at 48 kHz."""
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate_hz
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray().reshape(-1) for part in parts]).astype(np.float32)


def _as_int16(samples: NDArray[np.float32]) -> Samples:
    return np.asarray(np.clip(np.round(samples * 32767), -32768, 32767), np.int16)


def voice_list(language: str | None = None) -> list[Voice]:
    """The installed voices, the one that serves the language first; each has its own pitch for the test tone."""
    models = installed(Kind.VOICE)
    if not models:
        return []
    default = chosen(Kind.VOICE, language).id
    models.sort(key=lambda model: (model.id != default, model.is_demo, model.manifest.name))
    tones = _tones(models)
    return [
        Voice(
            voice_id=model.id,
            name=model.manifest.name,
            language=model.manifest.language,
            is_demo=model.is_demo,
            tone_hz=tones[model.id],
        )
        for model in models
    ]


def _tones(models: list[InstalledModel]) -> dict[str, int]:
    """Semitones above 440 Hz: by place in the catalogue, so that a voice keeps its tone when others come."""
    known = ["demo-voice", *(entry.id for entry in CATALOGUE if entry.kind is Kind.VOICE)]
    taken: dict[int, str] = {}
    for model in sorted(models, key=lambda model: model.id):
        step = known.index(model.id) if model.id in known else None
        if step is None:
            step = _UNKNOWN_VOICES_FROM + crc32(model.id.encode()) % 12
            while step in taken:
                step += 1
        taken[step] = model.id
    return {voice_id: round(_FIRST_TONE_HZ * 2 ** (step / 12)) for step, voice_id in taken.items()}
