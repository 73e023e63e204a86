from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from common.speech_models import transfer
from common.speech_models.catalogue import catalogue_model
from tests.speech.model_hub import FakeModelHub

VOICE_ID = "en_US-ljspeech-medium"


@pytest.fixture
def models_root(settings: Settings, tmp_path: Path) -> Path:
    """An empty folder for downloads, and real models preferred to the demo ones."""
    root = tmp_path / "speech-models"
    settings.SPEECH_MODELS_ROOT = root
    settings.SPEECH_MODELS_CHOICE = "best"
    return root


@pytest.fixture
def model_hub(
    settings: Settings, models_root: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeModelHub]:
    """A hub that offers one voice of 300 kB and Whisper base."""
    monkeypatch.setattr(transfer, "_PAUSE_S", 0.0)
    with FakeModelHub() as hub:
        settings.SPEECH_MODELS_HUB_URL = hub.url
        for model_id in (VOICE_ID, "whisper-base"):
            entry = catalogue_model(model_id)
            for number, path in enumerate(entry.paths):
                hub.offer(entry.repository, path, bytes([number + 1]) * (300_000 if number == 0 else 1_000))
        yield hub
