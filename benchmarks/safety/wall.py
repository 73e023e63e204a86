"""WALL: what row-level security costs a page, which is asked for with it and without it in turns."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from unittest import mock

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.homes import homes_make
from benchmarks.safety.service import service_open

if TYPE_CHECKING:
    from django.test import Client

PAGES: Final = {"WALL.home": ("the home page", "/"), "WALL.calls": ("the list of calls", "/calls/")}
FIGURES: Final = tuple(PAGES)
HOUSEHOLDS: Final = 50
DEVICES_EACH: Final = 20
TURNS: Final = 20
TURNS_QUICK: Final = 2
_A_TURN: Final = 20  # pages


def measure(options: Options) -> list[Figure]:
    turns = TURNS_QUICK if options.is_quick else TURNS
    with service_open(processes=0):
        browser = _signed_in()
        return [_figure(name, browser, turns) for name in PAGES if options.wants(name)]


def _figure(name: str, browser: "Client", turns: int) -> Figure:
    words, path = PAGES[name]
    with_wall: list[float] = []
    without: list[float] = []
    _times_ms(browser, path)  # the first ones find templates that nobody has read
    for _ in range(turns):
        with_wall += _times_ms(browser, path)
        with _wall_down():
            without += _times_ms(browser, path)
    middle, reference = statistics.median(with_wall), statistics.median(without)
    told = f"{middle:.3g} ms with it, {reference:.3g} ms without, medians of {len(without)} pages each"
    return figure(
        name, f"{words} with the second wall, by that without", middle / reference, "", reference=told
    )


def _signed_in() -> "Client":
    from django.test import Client
    from django_scopes import scopes_disabled

    from common.clock import now

    member = homes_make(HOUSEHOLDS, devices_each=DEVICES_EACH)[0]
    with scopes_disabled():
        member.consented_at = now()
        member.save()
    browser = Client()
    browser.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    return browser


def _times_ms(browser: "Client", path: str) -> list[float]:
    times = []
    for _ in range(_A_TURN):
        began_s = time.perf_counter()
        answer = browser.get(path)
        times.append(1000 * (time.perf_counter() - began_s))
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
    return times


@contextmanager
def _wall_down() -> Iterator[None]:
    """No policies, and nobody tells the server whose rows are wanted."""
    from common.database.base import DatabaseWrapper

    _switch("DISABLE")
    try:
        with mock.patch.object(DatabaseWrapper, "tell_scope"):
            yield
    finally:
        _switch("ENABLE")


def _switch(word: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_policies WHERE policyname = 'household_wall'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} {word} ROW LEVEL SECURITY")
