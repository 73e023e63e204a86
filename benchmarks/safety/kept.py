"""S23: what is kept of calls: nothing in clear, nothing before consent, nothing that can be read after its deletion.

Daphne, one media worker, the chores' worker, PostgreSQL and Valkey are the real programs. People who were never asked
whether calls are recorded try to call and to be heard; then they agree, and call a device that is theirs to call. All
files are looked at meanwhile.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.environment import django_ready
from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.kept_calls import SAMPLE_RATE_HZ, TALK_S, Kept, recordings_of, trials_run
from benchmarks.safety.kept_deleted import deletions
from benchmarks.safety.kept_watch import HEARD_HZ, Watch, found_in, payloads, planted, watched
from benchmarks.safety.rights_ended import slot_make

if TYPE_CHECKING:
    from calls.models import Call, ListeningCopy

FIGURES: Final = ("S23.plaintext", "S23.planted", "S23.consent", "S23.refused", "S23.deleted")
TRIALS: Final = 10
QUICK_TRIALS: Final = 3
_WITHIN_S: Final = 60.0
_WORDS_EVERY: Final = 97  # bytes of a recording
_WORDS_OF_PACKET: Final = 11


def measure(options: Options) -> list[Figure]:
    from config.embedded import embedded_start

    # As `./start` does before a hub runs: no call is taken while a worker compiles.
    subprocess.run([sys.executable, "-m", "media.connection.loop"], check=True)
    with tempfile.TemporaryDirectory(prefix="hearthline-kept-") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        os.environ["TMPDIR"] = str(folder / "tmp")  # what the programs put aside is looked at, too
        django_ready(folder)
        servers = embedded_start(folder)
        try:
            return _run(folder, QUICK_TRIALS if options.is_quick else TRIALS)
        finally:
            servers.stop()


def _run(folder: Path, trials: int) -> list[Figure]:
    from django.core.management import call_command
    from django_scopes import scopes_disabled

    from benchmarks.media.soak import _chores, _web
    from tests.fakes.media_program import MediaProgram
    from tests.plugin_cast import _cast_make

    call_command("migrate", verbosity=0, interactive=False)
    with scopes_disabled(), ExitStack() as stack:
        cast = _cast_make()
        slots = [slot_make(cast.anna, cast.carla, number) for number in range(2)]
        stack.enter_context(MediaProgram(processes=1, log=folder / "media.log"))
        web = stack.enter_context(_web(folder))
        stack.enter_context(_chores(folder))
        said = stack.enter_context(payloads())
        with watched(folder / "recordings", folder / "captures", folder / "tmp") as watch:
            kept = asyncio.run(trials_run(slots, f"127.0.0.1:{web.port}", folder, trials))
            copies = [_copy_of(call) for call in kept.calls]
        return [
            *_plain(folder, watch, said, copies),
            *_consent(kept, trials),
            _deleted(kept, cast.anna, f"http://127.0.0.1:{web.port}"),
        ]


def _consent(kept: Kept, trials: int) -> list[Figure]:
    if kept.samples < trials * TALK_S * SAMPLE_RATE_HZ:
        raise RuntimeError(f"only {kept.samples} samples were kept at all, so nothing is shown")
    words = (
        f"{trials} people who were never asked; {kept.samples / SAMPLE_RATE_HZ:.0f} s kept after they agreed"
    )
    return [
        figure("S23.consent", "samples kept before consent", kept.early, "", bar="= 0", reference=words),
        figure("S23.refused", "calls without consent that began, or came into another's", kept.tried - kept.refused,
               "", bar="= 0", reference=f"{kept.tried} tries, as a page and as a program"),
    ]  # fmt: skip


def _copy_of(call: "Call") -> "ListeningCopy":
    """As the chores make it."""
    from calls.models import ListeningCopy

    deadline_s = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline_s:
        if (copy := ListeningCopy.objects.select_related("household").filter(call=call).first()) is not None:
            return copy
        time.sleep(0.2)
    raise RuntimeError("a listening copy was not made")


def _plain(folder: Path, watch: Watch, said: list[bytes], copies: "list[ListeningCopy]") -> list[Figure]:
    from calls.recording.sounds import sound_open
    from tests.calls.plain_sound import PlainSound, words_of

    copied = [sound_open(copy).read() for copy in copies]
    recorded = [sound_open(row).read() for copy in copies for row in recordings_of(copy.call)]
    words = {word for whole in (*copied, *recorded) for word in words_of(whole, every=_WORDS_EVERY)}
    words |= {word for packet in said for word in words_of(packet[1:], every=_WORDS_OF_PACKET)}
    finder = PlainSound(words, HEARD_HZ)
    files = {str(path.relative_to(folder)): data for path, data in watch.seen.items()}
    files |= dict(_files(folder))
    found = found_in(finder, files)
    buried = planted(recorded[0], copied[0])
    again = found_in(finder, buried)
    return [
        figure("S23.plaintext", "files with sound in clear, of all in the data folder", len(found), "", bar="= 0",
               reference=", ".join([f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.0f} MB, "
                                    f"{len(watch.seen)} of them looked at during the calls", *found[:9]])),
        figure("S23.planted", "the same sound, planted in clear and found", len(again), "", bar=f"= {len(buried)}",
               reference=", ".join(name for name in buried if not any(one.startswith(f"{name}:") for one in again))),
    ]  # fmt: skip


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All of the data folder: also the database's own, and what Valkey keeps."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path.read_bytes()


def _deleted(kept: Kept, owner: Any, url: str) -> Figure:
    readable, count = deletions(kept.calls, owner, url)
    words = f"{count} files as they were copied before, with every key that is left, and their links"
    return figure("S23.deleted", "recordings that can be read after their deletion", len(readable), "", bar="= 0",
                  reference=", ".join([words, *readable[:9]]))  # fmt: skip
