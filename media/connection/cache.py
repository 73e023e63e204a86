"""What numba keeps of compiled functions for the next start: never a reason not to start, and never out of date."""

from contextlib import suppress
from functools import cache as once
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

_ROOT: Final = Path(__file__).resolve().parents[2]
# All that compiled functions are made of. numba looks at the file of each function alone, but what the others
# define becomes part of its machine code: constants, the layout of tables, functions that it calls.
SOURCES: Final = ("media/connection/*.py", "media/packets.py", "protocol/audio.py", "sound/opus.py")


def prepare() -> None:
    """Once, before the first function is compiled."""
    from numba.core import caching

    kept: Any = caching.Cache
    load, save, key = kept.load_overload, kept.save_overload, kept._index_key
    digest = sources_digest(_ROOT)

    def load_overload(cache: Any, *name: Any) -> Any:
        """One that was cut short by a power failure is made again."""
        found = None
        try:
            found = load(cache, *name)
        except Exception as error:  # noqa: BLE001 - half a pickle raises whatever its bytes happen to say
            log.warning("compiled_code_not_read", reason=type(error).__name__)
            with suppress(OSError):
                cache.flush()
        if found is None:
            compiling_tell()
        return found

    def save_overload(cache: Any, *made: Any) -> None:
        """Where there is no room the next start compiles too."""
        try:
            save(cache, *made)
        except Exception as error:  # noqa: BLE001 - what cannot be kept works all the same
            log.warning("compiled_code_not_kept", reason=type(error).__name__)

    def index_key(cache: Any, *parts: Any) -> Any:
        return (*key(cache, *parts), digest)

    kept.load_overload, kept.save_overload, kept._index_key = load_overload, save_overload, index_key


@once
def compiling_tell() -> None:
    """Once in a process: what is not in the cache is compiled next, and nothing else is heard meanwhile."""
    log.info(
        "Compiling what carries the audio. That can take minutes, at the first start and after each change of the "
        "program. No call is taken before it is done."
    )


def sources_digest(root: Path) -> str:
    """Another one after every change of SOURCES."""
    paths = sorted(path for pattern in SOURCES for path in root.glob(pattern))
    return sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()
