"""Model folders: the demo models shipped with the code, and the user's downloads."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from common.speech_models.catalogue import CATALOGUE, speaks
from common.speech_models.errors import ModelDamaged, ModelMissing, SpeechModelError
from common.speech_models.manifest import MANIFEST_NAME, Kind, Manifest, file_sha256, manifest_read

CHOICE_DEMO: Final = "demo"
_WORDS = {Kind.VOICE: "voice", Kind.RECOGNISER: "speech recogniser"}


@dataclass(frozen=True)
class InstalledModel:
    manifest: Manifest
    folder: Path
    is_shipped: bool  # part of the code; cannot be removed

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def is_demo(self) -> bool:
        return self.manifest.is_demo


def downloads_root() -> Path:
    return Path(settings.SPEECH_MODELS_ROOT)


def shipped_root() -> Path:
    return Path(settings.SPEECH_MODELS_SHIPPED_ROOT)


def installed(kind: Kind | None = None) -> list[InstalledModel]:
    """Downloads first, then the shipped ones, by name; a folder without a readable MODEL.json is no model."""
    models: dict[str, InstalledModel] = {}
    for root, is_shipped in ((downloads_root(), False), (shipped_root(), True)):
        for path in sorted(root.glob(f"*/{MANIFEST_NAME}")):
            if path.parent.name.startswith("."):
                continue
            try:
                model = InstalledModel(manifest_read(path.parent), path.parent, is_shipped)
            except ModelDamaged:
                continue
            models.setdefault(model.id, model)
    return [model for model in models.values() if kind is None or model.manifest.kind == kind]


def find(model_id: str, kind: Kind | None = None) -> InstalledModel:
    """Raises ModelMissing."""
    for model in installed(kind):
        if model.id == model_id:
            return model
    raise ModelMissing(f"The {_WORDS[kind] if kind else 'speech model'} “{model_id}” is not installed.")


def chosen(kind: Kind, language: str | None = None) -> InstalledModel:
    """The model that serves: a downloaded one of that language, then any downloaded one, then the demo one.

    SPEECH_MODELS_CHOICE = "demo" leaves only the demo ones, for tests. Raises ModelMissing.
    """
    models = [model for model in installed(kind) if model.is_demo or not _demo_only()]
    if not models:
        raise ModelMissing(
            f"No {_WORDS[kind]} is installed. Install one with “manage.py speech_models download”."
        )
    return max(models, key=lambda model: _fitness(model, language))


def _demo_only() -> bool:
    return bool(getattr(settings, "SPEECH_MODELS_CHOICE", "") == CHOICE_DEMO)


def _fitness(model: InstalledModel, language: str | None) -> tuple[bool, bool, bool, int]:
    tag = model.manifest.language
    fits = language is None or speaks(tag, language)
    same_region = language is not None and tag.lower() == language.replace("_", "-").lower()
    return (not model.is_demo, fits, same_region, _rank(model))


def _rank(model: InstalledModel) -> int:
    """Models of the catalogue by its rank and order; others below them."""
    for place, entry in enumerate(CATALOGUE):
        if entry.id == model.id:
            return entry.rank * len(CATALOGUE) - place
    return -len(CATALOGUE)


def verify(model: InstalledModel) -> None:
    """Read every file again. Raises ModelDamaged with the first file that differs."""
    for file in model.manifest.files:
        path = model.folder / file.name
        if not path.is_file():
            raise ModelDamaged(f"{file.name} of “{model.id}” is missing.")
        if path.stat().st_size != file.size_bytes or file_sha256(path) != file.sha256:
            raise ModelDamaged(f"{file.name} of “{model.id}” is damaged: its checksum is another one.")


def remove(model_id: str) -> None:
    """Delete a downloaded model. Raises ModelMissing, and SpeechModelError for a shipped one."""
    model = find(model_id)
    if model.is_shipped:
        raise SpeechModelError(f"“{model_id}” is part of the program and stays.")
    # Renamed first, so that no process finds a folder that is half gone.
    doomed = model.folder.with_name(f".removed-{model.folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    model.folder.rename(doomed)
    shutil.rmtree(doomed)
