import json
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from common import speech_models
from common.speech_models import Kind, Manifest, ModelMissing, SpeechModelError
from common.speech_models.catalogue import CATALOGUE, suggested
from common.speech_models.manifest import MANIFEST_NAME, describe_files, manifest_write
from protocol.errors import ErrorCode

pytestmark = pytest.mark.unit
MAX_SHIPPED_BYTES = 12_000_000


def install(root: Path, model_id: str, kind: Kind, language: str) -> None:
    folder = root / model_id
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(model_id.encode())
    manifest = Manifest(
        id=model_id,
        kind=kind,
        name=model_id.title(),
        language=language,
        licence="MIT",
        is_demo=False,
        source="a test",
        files=describe_files(folder, ["model.bin"]),
    )
    manifest_write(folder, manifest)


def test_the_shipped_models_are_what_their_manifests_say(models_root: Path) -> None:
    shipped = [model for model in speech_models.installed() if model.is_shipped]
    assert {model.id for model in shipped} == {"demo-voice", "demo-whisper"}
    for model in shipped:
        speech_models.verify(model)
        listed = {file.name for file in model.manifest.files}
        assert {path.name for path in model.folder.iterdir()} == listed | {MANIFEST_NAME}
    assert sum(model.manifest.size_bytes for model in shipped) < MAX_SHIPPED_BYTES


def test_the_shipped_models_are_marked_as_demo(models_root: Path) -> None:
    assert all(model.is_demo for model in speech_models.installed())


def test_a_downloaded_model_serves_before_the_demo_one(models_root: Path) -> None:
    install(models_root, "whisper-base", Kind.RECOGNISER, "mul")
    assert speech_models.chosen(Kind.RECOGNISER).id == "whisper-base"
    assert speech_models.chosen(Kind.VOICE).id == "demo-voice"


def test_the_larger_recogniser_serves(models_root: Path) -> None:
    install(models_root, "whisper-base", Kind.RECOGNISER, "mul")
    install(models_root, "whisper-small", Kind.RECOGNISER, "mul")
    assert speech_models.chosen(Kind.RECOGNISER, "de").id == "whisper-small"


@pytest.mark.parametrize(
    ("language", "voice_id"),
    [
        ("de", "de_DE-thorsten-medium"),
        ("en-GB", "en_GB-alba-medium"),
        ("en_US", "en_US-ljspeech-medium"),
        ("en", "en_US-ljspeech-medium"),
        ("sv", "en_US-ljspeech-medium"),  # none speaks it: the first of the catalogue
    ],
)
def test_a_voice_of_the_language_serves(models_root: Path, language: str, voice_id: str) -> None:
    for entry in CATALOGUE:
        if entry.kind is Kind.VOICE:
            install(models_root, entry.id, entry.kind, entry.language)
    assert speech_models.chosen(Kind.VOICE, language).id == voice_id


def test_the_setting_forces_the_demo_models(models_root: Path, settings: Settings) -> None:
    install(models_root, "whisper-base", Kind.RECOGNISER, "mul")
    settings.SPEECH_MODELS_CHOICE = "demo"
    assert speech_models.chosen(Kind.RECOGNISER).id == "demo-whisper"


def test_without_any_model_the_error_says_what_to_do(
    models_root: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.SPEECH_MODELS_SHIPPED_ROOT = tmp_path / "nothing"
    with pytest.raises(ModelMissing, match="speech_models download") as caught:
        speech_models.chosen(Kind.RECOGNISER)
    assert caught.value.wire_code == ErrorCode.NO_MODEL


def test_a_folder_with_a_broken_manifest_is_no_model(models_root: Path) -> None:
    install(models_root, "whisper-base", Kind.RECOGNISER, "mul")
    (models_root / "whisper-base" / MANIFEST_NAME).write_text("{")
    assert speech_models.chosen(Kind.RECOGNISER).is_demo


def test_a_manifest_cannot_name_files_outside_its_folder(models_root: Path) -> None:
    install(models_root, "whisper-base", Kind.RECOGNISER, "mul")
    path = models_root / "whisper-base" / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["files"][0]["name"] = "../../secret"
    path.write_text(json.dumps(manifest))
    assert speech_models.chosen(Kind.RECOGNISER).is_demo


def test_a_shipped_model_cannot_be_removed(models_root: Path) -> None:
    with pytest.raises(SpeechModelError, match="part of the program"):
        speech_models.remove("demo-voice")
    assert speech_models.find("demo-voice").is_shipped


@pytest.mark.parametrize(
    ("language", "ids"),
    [
        ("de", ["whisper-base", "de_DE-thorsten-medium"]),
        ("en-GB", ["whisper-base", "en_GB-alba-medium"]),
        ("en", ["whisper-base", "en_US-ljspeech-medium"]),
        ("sv", ["whisper-base"]),
    ],
)
def test_it_suggests_whisper_and_a_voice_of_the_household(language: str, ids: list[str]) -> None:
    assert [model.id for model in suggested(language)] == ids


def test_the_catalogue_has_the_promised_languages() -> None:
    locales = {entry.language for entry in CATALOGUE if entry.kind is Kind.VOICE}
    assert locales >= {"en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT", "nl-NL"}
    assert len({entry.id for entry in CATALOGUE}) == len(CATALOGUE)
