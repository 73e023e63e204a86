"""A subject in several parts: each runs in a process of its own, and one table comes at the end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Figure, Options, figure, options_parse, report, table


@dataclass(frozen=True, kw_only=True)
class Part:
    """The figures that one module measures, by id, and how."""

    figures: tuple[str, ...]
    measure: Callable[[Options], list[Figure]]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """`python -m benchmarks.NAME`. `prepare` runs once, before anything is measured."""

    name: str
    description: str
    parts: tuple[Part, ...]
    prepare: Callable[[], None] = lambda: None


def known_ids(parts: Sequence[Part]) -> set[str]:
    """Every figure, and the words before their first dot, which stand for all of a family."""
    ids = {figure_id for part in parts for figure_id in part.figures}
    return ids | {figure_id.split(".")[0] for figure_id in ids}


def run(subject: Subject, words: Sequence[str] | None = None) -> int:
    """The exit code: 0 only when every figure that was asked for was measured and is ok."""
    options = options_parse(subject.name, subject.description, known_ids(subject.parts), words)
    parts = [part for part in subject.parts if any(options.wants(figure_id) for figure_id in part.figures)]
    subject.prepare()
    if len(parts) == 1:
        return report(parts[0].measure(options), options)
    return report([found for part in parts for found in _apart(subject, part, options)], options)


def _apart(subject: Subject, part: Part, options: Options) -> list[Figure]:
    """What it did to its process, such as a core that it chose, ends with it. A part that fails ends no other."""
    wanted: Final = [figure_id for figure_id in part.figures if options.wants(figure_id)]
    command = [sys.executable, "-m", f"benchmarks.{subject.name}", "--json", "--only", ",".join(wanted)]
    load, began_s = os.getloadavg()[0], time.monotonic()
    done = subprocess.run(
        command + ["--quick"] * options.is_quick, stdout=subprocess.PIPE, text=True, check=False
    )
    found = _read(done.stdout) or [figure(name, "not measured: it failed", None, "") for name in wanted]
    print(
        f"{time.monotonic() - began_s:.0f} s, load average {load:.1f} before",
        table(found),
        sep="\n",
        file=sys.stderr,
    )
    return found


def _read(printed: str) -> list[Figure]:
    """Its last line; nothing where that is no figures."""
    try:
        return [Figure(**one) for one in json.loads(printed.splitlines()[-1])["figures"]]
    except (IndexError, ValueError):
        return []
