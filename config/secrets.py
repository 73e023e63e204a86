"""Secrets of one installation: given by the environment, else made once and kept in the data folder, 0600.

Imports nothing of Django: settings read it.
"""

import os
import secrets
from pathlib import Path

SECRET_BYTES = 48


def data_dir() -> Path:
    """HUB_DATA_DIR, else `data` beside manage.py."""
    given = os.environ.get("HUB_DATA_DIR", "")
    return Path(given).expanduser().resolve() if given else Path(__file__).resolve().parent.parent / "data"


def secret_get(name: str) -> str:
    """The secret `name`, such as "SECRET_KEY": HUB_<name>, else the file HUB_<name>_FILE names, else our own.

    Two processes that ask for a new one at the same time get the same. Raises OSError when a file cannot be
    read or made, ValueError when it is empty.
    """
    if given := os.environ.get(f"HUB_{name}", ""):
        return given
    if given_file := os.environ.get(f"HUB_{name}_FILE", ""):
        return _read(Path(given_file))
    path = data_dir() / "secrets" / name
    if not path.exists():
        _make(path)
    return _read(path)


def secret_place(name: str) -> str:
    """Where `secret_get` has it from, in words."""
    if os.environ.get(f"HUB_{name}", ""):
        return f"in HUB_{name}"
    return f"in the file {os.environ.get(f'HUB_{name}_FILE', '') or data_dir() / 'secrets' / name}"


def _make(path: Path) -> None:
    """Write aside and link into place: link(2) fails when another was first and never shows half a secret."""
    for folder in (path.parent.parent, path.parent):  # parents=True would leave the upper one open to all
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            return
    finally:
        aside.unlink()


def _read(path: Path) -> str:
    value = path.read_text().strip()
    if not value:
        raise ValueError(f"The secret file {path} is empty. Remove it, or write the secret into it.")
    return value
