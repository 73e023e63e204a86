"""`python -m media`: a parent and its media workers; with `--worker-id` one worker alone."""

import argparse
import gc
import logging
import os
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import django
import structlog

log = structlog.get_logger(__name__)

LEAST_PROCESSES: Final = 2  # when one dies, its calls go on in the other at once
MOST_PROCESSES: Final = 8
HUB_SETTINGS: Final = ("HUB_DATA_DIR", "DATABASE_URL", "REDIS_URL")
HUB_ID_SHOWN: Final = 16  # hex digits
USUAL_DATA_DIR: Final = Path(__file__).resolve().parent.parent / "data"
LOST: Final = (
    "This media worker does not know where its hub is: it was told nothing, and {found}. Set HUB_DATA_DIR to the data "
    "folder of the hub, or DATABASE_URL and REDIS_URL too where the hub runs elsewhere; see docs/subsystems/workers.md."
)


def worker_id_make() -> str:
    """New for every process: commands for one that died must not reach its successor."""
    host = "".join(letter for letter in socket.gethostname() if letter.isascii() and letter.isalnum())
    return f"{host[:32] or 'worker'}-{secrets.token_hex(4)}"


def processes_default() -> int:
    """One for each core that this program may use, but never one alone."""
    return min(max(len(os.sched_getaffinity(0)), LEAST_PROCESSES), MOST_PROCESSES)


def parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m media", description="Carries the audio of the hub's calls."
    )
    parser.add_argument(
        "--processes", type=_count, default=processes_default(), help="workers; default: one for each core"
    )
    parser.add_argument(
        "--capacity", type=_count, default=120, help="legs of one worker: two for each call; default: 120"
    )
    parser.add_argument(
        "--worker-id", default=None, help="be one worker of this name, without a parent that watches it"
    )
    return parser.parse_args(words)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def main(words: list[str]) -> int:
    arguments = parse_arguments(words)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    is_told = any(os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in HUB_SETTINGS)
    if not is_told and not USUAL_DATA_DIR.exists():  # the settings would make one, with secrets of its own
        sys.exit(LOST.format(found=f"there is no folder {USUAL_DATA_DIR}"))
    django.setup()
    for library in ("aiortc", "aioice"):  # their lesser messages hold addresses of people's networks
        logging.getLogger(library).setLevel(logging.WARNING)
    from common.processes import die_with_parent, threads_share_memory

    threads_share_memory()
    is_there = _check_hub(is_told=is_told)
    _check_secrets()
    if is_there:
        _tell_hub()

    from media import child
    from media.parent import Parent

    if arguments.worker_id:
        return child.run(arguments.worker_id, capacity=arguments.capacity)

    _preload()
    parent = Parent(
        count=arguments.processes,
        new_id=worker_id_make,
        run_child=lambda worker_id, wire: child.run(worker_id, capacity=arguments.capacity, wire=wire),
        tie=die_with_parent,
    )
    return parent.run()


def _check_hub(*, is_told: bool) -> bool:
    """Says which servers do not answer. Raises SystemExit where nobody said where they are."""
    from common.servers import silent_servers

    if not (silent := " and ".join(silent_servers())):
        return True
    if not is_told:
        sys.exit(LOST.format(found=f"no answer came from {silent}"))
    log.warning(
        "the hub does not answer, so this media worker waits for it; is the address right?", tried=silent
    )
    return False


def _check_secrets() -> None:
    """A worker with secrets of its own would take calls whose recordings nobody can open. Raises SystemExit."""
    from django.db import DatabaseError, connections

    from common.errors import Unavailable
    from households.keys import hub_key_check

    try:
        hub_key_check()
    except Unavailable:
        sys.exit(
            "This media worker has other secrets than the hub, so nobody could open what it records. Give it the "
            "data folder of the hub with HUB_DATA_DIR; see docs/subsystems/workers.md."
        )
    except DatabaseError:
        return  # it is away, or still empty: the workers wait for it
    connections.close_all()  # the workers open their own


def _tell_hub() -> None:
    """Whose worker this is. The hub's own workers say the same, so that two lines can be compared."""
    from django.conf import settings

    from common.servers import server_addresses
    from devices.identity.certificates import hub_id_known

    database, redis = server_addresses()
    log.info(
        "This media worker joins the hub.",
        hub_id=hub_id_known()[:HUB_ID_SHOWN] or "none yet",
        database=database,
        redis=redis,
        data=str(settings.DATA_DIR),
    )


def _preload() -> None:
    """Load what a worker needs, so that a fork has it and shares its memory."""
    import media.lease  # noqa: F401
    from media.connection.loop import compile_early

    compile_early()
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    # Until its workers run there is nothing to end in order, and the compiler would not look at the signal for seconds.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
