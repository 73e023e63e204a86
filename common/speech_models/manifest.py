"""MODEL.json: what one model folder holds, recorded when it was installed."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from common.speech_models.errors import ModelDamaged

MANIFEST_NAME = "MODEL.json"
_BLOCK_BYTES = 1 << 20


class Kind(StrEnum):
    VOICE = "voice"
    RECOGNISER = "recogniser"


@dataclass(frozen=True)
class ModelFile:
    """`name` is a plain file name inside the model's folder; `sha256` is lower-case hex."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`language` is a BCP 47 tag, or `mul` for a recogniser of many languages."""

    id: str
    kind: Kind
    name: str
    language: str
    licence: str
    is_demo: bool
    source: str
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def describe_files(folder: Path, names: Iterable[str]) -> tuple[ModelFile, ...]:
    return tuple(
        ModelFile(name=name, size_bytes=(folder / name).stat().st_size, sha256=file_sha256(folder / name))
        for name in names
    )


def manifest_write(folder: Path, manifest: Manifest) -> None:
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=2) + "\n"
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")


def manifest_read(folder: Path) -> Manifest:
    """Raises ModelDamaged when MODEL.json is not there or not ours."""
    try:
        data: dict[str, Any] = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        files = tuple(ModelFile(**file) for file in data.pop("files"))
        manifest = Manifest(**{**data, "kind": Kind(data["kind"]), "files": files})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelDamaged(f"The speech model in “{folder.name}” has no readable {MANIFEST_NAME}.") from error
    if any(Path(file.name).name != file.name for file in manifest.files):
        raise ModelDamaged(f"The speech model in “{folder.name}” names files outside its folder.")
    return manifest
