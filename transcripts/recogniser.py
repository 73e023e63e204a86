"""The recogniser that is chosen now."""

from functools import lru_cache
from pathlib import Path

from common.speech_models import Kind, chosen
from transcripts.engine import Transcriber


def transcriber_get(language: str | None = None) -> Transcriber:
    """The recogniser that is chosen now, loaded once per process. Raises ModelMissing, ModelDamaged."""
    model = chosen(Kind.RECOGNISER, language)
    return _load(model.folder, model.manifest.name, model.is_demo)


@lru_cache(maxsize=1)
def _load(folder: Path, name: str, is_demo: bool) -> Transcriber:
    from transcripts.whisper import WhisperTranscriber

    return WhisperTranscriber(folder, name=name, is_demo=is_demo)
