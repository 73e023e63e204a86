"""S22: recordings over HTTP: ways out of their folder, parts of them, and links that are worth nothing any more."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.recordings_planted import House, Line, Sound, house_make, recorded
from benchmarks.safety.recordings_refused import links, ways
from benchmarks.safety.service import Service, service_open

FIGURES: Final = ("S22.escapes", "S22.errors", "S22.ranges", "S22.served")
STRINGS: Final = 2000
STRINGS_QUICK: Final = 200
_AT_ONCE: Final = 4
_SIZE: Final = 3 * 64 * 1024 + 123
# {way} is the string, {own} the id of a recording that the person may hear.
_PLACES: Final = (
    "/calls/{way}/audio/", "/calls/{way}", "/calls/{own}/audio/{way}", "/calls/{own}/{way}", "/calls/{way}/transcript/",
    "/calls/{own}/audio/?download={way}&name={way}", "/announce/clips/{way}/audio/", "/api/v1/clips/{way}?token={way}",
    "/static/{way}", "/{way}",
)  # fmt: skip
_HEADERS: Final = (
    "X-Household",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Sendfile",
    "X-Accel-Redirect",
    "Range",
)


@dataclass
class Tried:
    asked: int = 0
    escapes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Tried") -> "Tried":
        return Tried(self.asked + other.asked, self.escapes + other.escapes, self.errors + other.errors)


def measure(options: Options) -> list[Figure]:
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="hearthline-outside-") as outside,
        service_open(processes=2) as service,
    ):
        from django_scopes import scopes_disabled

        with scopes_disabled():
            house = house_make(Path(outside))
            if options.wants("S22.escapes") or options.wants("S22.errors"):
                found += _escapes(service, house, STRINGS_QUICK if options.is_quick else STRINGS)
            if options.wants("S22.ranges"):
                found.append(_ranges(service, house))
            if options.wants("S22.served"):
                found.append(_served(service, house))
    return found


def _escapes(service: Service, house: House, count: int) -> list[Figure]:
    from tests.calls.ways_out import ways_out

    ids = [str(sound.call.public_id) for sound in (house.foreign, house.hidden)]
    strings = ways_out(count, files=house.files, ids=ids)
    cookies = dict(service.person(house.dora.user).cookies)
    _control(service, house, cookies)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = pool.map(
            lambda at: _try(service.urls[at % len(service.urls)], cookies, house, strings[at::_AT_ONCE]),
            range(_AT_ONCE),
        )
        tried = sum(parts, _by_name(strings))
    words = f"{count} strings in {len(_PLACES) + 3} places, {tried.asked} tries"
    return [
        figure("S22.escapes", "tries that reached another file", tried.escapes.total(), "", bar="= 0",
               reference=", ".join([words, *tried.escapes])),
        figure("S22.errors", "of them, answered by an error of the hub or by silence", tried.errors.total(), "",
               bar="= 0", reference=", ".join(f"{count} {what}" for what, count in tried.errors.most_common(9))),
    ]  # fmt: skip


def _control(service: Service, house: House, cookies: dict[str, str]) -> None:
    """What may be heard is heard, and a mark is found where there is one. Raises RuntimeError."""
    line = Line(service.urls[0], cookies)
    if line.ask(house.own.url).body != house.own.whole:
        raise RuntimeError("the own recording is not served")
    if any(not path.read_bytes() for path in (house.own.path, house.foreign.path, house.hidden.path)):
        raise RuntimeError("there is nothing to steal")
    line.close()


def _try(url: str, cookies: dict[str, str], house: House, strings: Sequence[str]) -> Tried:
    line, tried, own_id = Line(url, cookies), Tried(), str(house.own.call.public_id)
    for way in strings:
        for place in _PLACES:
            _note(line, house, tried, place, place.format(way=way, own=own_id))
        _note(line, house, tried, "headers", house.own.url, dict.fromkeys(_HEADERS, way[:1000]))
    line.close()
    return tried


def _note(
    line: Line, house: House, tried: Tried, place: str, target: str, headers: dict[str, str] | None = None
) -> None:
    answer = line.ask(target, headers=headers)
    tried.asked += 1
    marks = house.marks if house.own.url in target else house.marks | {"a recording": house.own.mark}
    reached = [name for name, mark in marks.items() if mark in answer.body]
    tried.escapes.update(f"{name} by {target[:60]!r}" for name in reached)
    if answer.status >= 500 or not answer.status:
        tried.errors[f"{answer.status or 'silence'} at {place}"] += 1


def _by_name(strings: Sequence[str]) -> Tried:
    """As names of files, to the hub and to the media worker, as they are and decoded."""
    from django.conf import settings

    from calls.recording.sounds import sound_path
    from media.recording.recorder import free_path
    from tests.calls.ways_out import decoded

    root, tried = Path(settings.RECORDINGS_ROOT).resolve(), Tried()
    for way in [*strings, *map(decoded, strings)]:
        for find in (sound_path, lambda name: free_path(root, name)):
            tried.asked += 1
            with suppress(ValueError, OSError):  # refused, or no name at all
                path = find(way)
                if path is not None and not path.resolve().is_relative_to(root):
                    tried.escapes[f"the name {way[:60]!r}"] += 1
    return tried


def _ranges(service: Service, house: House) -> Figure:
    from tests.common.range_cases import cases

    line = Line(service.urls[0], dict(service.person(house.cast.anna.user).cookies))
    sounds = [_large(house, is_sealed=is_sealed) for is_sealed in (True, False)]
    wrong, asked = [], 0
    for sound in sounds:
        for case in cases(len(sound.whole)):
            answer = line.ask(sound.url, method=case.method, headers=case.headers)
            asked += 1
            if not case.is_right(answer.status, answer.headers, answer.body, sound.whole):
                wrong.append(f"{case.method} {case.range[:30]} {answer.status}")
    line.close()
    words = f"of {asked}; a sealed file and one of before"
    return figure("S22.ranges", "requests for parts answered otherwise than RFC 9110 says", len(wrong), "", bar="= 0",
                  reference=", ".join([words, *wrong[:9]]))  # fmt: skip


def _large(house: House, *, is_sealed: bool) -> Sound:
    return recorded(house.cast.anna, house.cast.kitchen, _SIZE, is_sealed=is_sealed)


def _served(service: Service, house: House) -> Figure:
    served = {link.name: link.served() for link in links(service, house)}
    still = [f"{name}: {count}" for name, count in served.items() if count]
    words = f"{len(served)} kinds of links, {ways()} requests each"
    return figure("S22.served", "requests with expired, foreign and deleted links that were served",
                  sum(served.values()), "", bar="= 0", reference=", ".join([words, *still]))  # fmt: skip
