"""Secrets of one installation: given by the environment, else made once and kept in the data folder, 0600.

A command that begins no hub makes none, so that a wrong HUB_DATA_DIR leaves no folder behind. It has passing ones, for
itself alone, and a HubCommand does nothing with those. Imports nothing of Django: settings read it.
"""

import os
import secrets
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from config.embedded import given

SECRET_BYTES = 48
_USUAL: Final = Path(__file__).resolve().parent.parent / "data"
_BEGINNING: Final = "up"  # `restore` brings the secrets of its hub


class _Passing:
    """Secrets that nobody keeps: whether this process may have such, and whether it has."""

    is_allowed = False
    is_used = False


def data_dir() -> Path:
    """HUB_DATA_DIR, else `data` beside manage.py."""
    return Path(given("HUB_DATA_DIR") or _USUAL).expanduser().resolve()


def typed(command: str) -> str:
    """As a person types it in a new window, which knows nothing of this one's HUB_DATA_DIR."""
    folder = data_dir()
    return command if folder == _USUAL else f"HUB_DATA_DIR={shlex.quote(str(folder))} {command}"


def command_said(words: Sequence[str]) -> None:
    """By manage.py, before anybody asks for a secret. What is no command, such as the web server, begins a hub too."""
    name = words[0] if words else ""
    # The first to run in a container. Without a database from elsewhere it needs a hub that runs.
    is_first = name == "migrate" and bool(given("DATABASE_URL"))
    _Passing.is_allowed = name != _BEGINNING and not is_first


def are_kept() -> bool:
    """Whether all secrets that were asked for are those of a hub."""
    return not _Passing.is_used


def secret_get(name: str) -> str:
    """The secret `name`, such as "SECRET_KEY": HUB_<name>, else the file HUB_<name>_FILE names, else our own.

    Two processes that ask for a new one at the same time get the same. Raises OSError when the file that is named
    cannot be read, ValueError when one is empty, SystemExit in words where the data folder is of no use.
    """
    if told := os.environ.get(f"HUB_{name}", ""):
        return told
    if given_file := os.environ.get(f"HUB_{name}_FILE", ""):
        return _read(Path(given_file))
    try:
        return _own(data_dir() / "secrets" / name)
    except OSError as error:
        sys.exit(
            f"The data folder {data_dir()} cannot be used: {error.strerror}. "
            "See to whom it belongs, or name another one with HUB_DATA_DIR."
        )


def _own(path: Path) -> str:
    if not path.exists():
        if _Passing.is_allowed and not path.parent.is_dir():
            _Passing.is_used = True
            return secrets.token_urlsafe(SECRET_BYTES)
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
