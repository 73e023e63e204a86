"""Write MODEL.json beside a demo model: what it is, and the checksum of each file, as the hub expects it."""

import hashlib
import json
from pathlib import Path

_CARDS = {
    "demo-voice": {
        "id": "demo-voice",
        "kind": "voice",
        "name": "Demo voice",
        "language": "en-US",
        "licence": "AGPL-3.0-or-later",
        "is_demo": True,
        "source": "speech/training/make_voice.py",
    },
    "demo-whisper": {
        "id": "demo-whisper",
        "kind": "recogniser",
        "name": "Demo recogniser",
        "language": "en",
        "licence": "AGPL-3.0-or-later",
        "is_demo": True,
        "source": "speech/training/train_whisper.py",
    },
}


def write_card(folder: Path, model_id: str) -> None:
    paths = sorted(path for path in folder.iterdir() if path.name != "MODEL.json")
    files = [
        {
            "name": path.name,
            "size_bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in paths
    ]
    text = json.dumps({**_CARDS[model_id], "files": files}, ensure_ascii=False, indent=2)
    (folder / "MODEL.json").write_text(f"{text}\n", encoding="utf-8")
