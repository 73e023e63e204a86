"""The usual models that a household with internet downloads: one file list per model, all from one hub."""

from dataclasses import dataclass

from django.conf import settings

from common.speech_models.errors import ModelMissing
from common.speech_models.manifest import Kind

DEFAULT_HUB_URL = "https://huggingface.co"
MANY_LANGUAGES = "mul"  # ISO 639-2


@dataclass(frozen=True, kw_only=True)
class CatalogueModel:
    """`paths` are inside `repository`; sizes and checksums come from the hub when it is asked."""

    id: str
    kind: Kind
    name: str
    language: str
    licence: str
    repository: str
    paths: tuple[str, ...]
    size_bytes: int  # about; for the person who decides, and for progress before the hub has answered
    rank: int = 0  # of two installed models that fit, the higher one serves

    @property
    def file_names(self) -> tuple[str, ...]:
        return tuple(path.rsplit("/", 1)[-1] for path in self.paths)


def _whisper(size: str, size_bytes: int, rank: int) -> CatalogueModel:
    return CatalogueModel(
        id=f"whisper-{size}",
        kind=Kind.RECOGNISER,
        name=f"Whisper {size}",
        language=MANY_LANGUAGES,
        licence="MIT",
        repository=f"Systran/faster-whisper-{size}",
        paths=("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"),
        size_bytes=size_bytes,
        rank=rank,
    )


def _piper(locale: str, speaker: str, name: str, licence: str) -> CatalogueModel:
    voice = f"{locale}-{speaker}-medium"
    folder = f"{locale.partition('_')[0]}/{locale}/{speaker}/medium"
    return CatalogueModel(
        id=voice,
        kind=Kind.VOICE,
        name=name,
        language=locale.replace("_", "-"),
        licence=licence,
        repository="rhasspy/piper-voices",
        paths=(f"{folder}/{voice}.onnx", f"{folder}/{voice}.onnx.json", f"{folder}/MODEL_CARD"),
        size_bytes=63_200_000,
    )


# Voices whose recordings may be used freely; each folder brings its MODEL_CARD, which is the authority.
CATALOGUE: tuple[CatalogueModel, ...] = (
    _whisper("base", 148_000_000, 1),
    _whisper("small", 486_000_000, 2),
    _piper("en_US", "ljspeech", "Linda (US English)", "public domain"),
    _piper("en_GB", "alba", "Alba (British English)", "CC BY 4.0"),
    _piper("de_DE", "thorsten", "Thorsten (Deutsch)", "CC0"),
    _piper("fr_FR", "siwis", "Siwis (français)", "CC BY 4.0"),
    _piper("es_ES", "davefx", "Dave (español)", "see MODEL_CARD"),
    _piper("it_IT", "paola", "Paola (italiano)", "see MODEL_CARD"),
    _piper("nl_NL", "mls", "Nederlands", "CC BY 4.0"),
)


def catalogue_model(model_id: str) -> CatalogueModel:
    """Raises ModelMissing for an id that the catalogue does not have."""
    for model in CATALOGUE:
        if model.id == model_id:
            return model
    raise ModelMissing(f"There is no speech model called “{model_id}” in the catalogue.")


def suggested(language: str) -> tuple[CatalogueModel, ...]:
    """What a first start offers: Whisper base and, where there is one, a voice of that language (BCP 47)."""
    voices = [model for model in CATALOGUE if model.kind is Kind.VOICE and speaks(model.language, language)]
    exact = [voice for voice in voices if voice.language.lower() == language.lower()]
    return (catalogue_model("whisper-base"), *(exact or voices)[:1])


def model_offers(language: str) -> tuple[CatalogueModel, ...]:
    """What the pages offer; nothing where the installation is told to keep to the demo models."""
    return () if settings.SPEECH_MODELS_CHOICE == "demo" else suggested(language)


def speaks(model_language: str, wanted: str) -> bool:
    """Whether the primary language subtag is the same; a model of many languages speaks each."""
    return model_language == MANY_LANGUAGES or _primary(model_language) == _primary(wanted)


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()
