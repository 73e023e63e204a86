"""Static files with their names hashed and compressed, made again only when one of them changed."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from common.files import folder_lock


def static_files_collect() -> bool:
    """Run collectstatic where it is due; whether it was. Of two hubs of one checkout the second waits for the first."""
    stamp: Path = settings.STATIC_ROOT / ".stamp"
    wanted = static_files_digest()
    if _is_done(stamp, wanted):
        return False
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with folder_lock(settings.STATIC_ROOT):
        if _is_done(stamp, wanted):
            return False
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(wanted)
    return True


def _is_done(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def static_files_digest() -> str:
    """Of the names, sizes and times of all static files, and of how they are stored."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
