"""What somebody writes where a recording is named, to reach another file: each as it stands in a request."""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote, unquote_to_bytes

_UPS: Final = (
    "..", "%2e%2e", "%2E%2e", ".%2e", "%2e.", "%252e%252e", "%25252e%25252e", "%%32%65%%32%65", "..;", "..;x=1",
    "....", "...", ".%00.", "..%00", "..%01", "%00..", ".%5c.", "..%20", "..%09", "%20..", ".%0d.", "..%0d%0a",
    "%c0%ae%c0%ae", "%c0%2e%c0%2e", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae%f0%80%80%ae", "%fc%80%80%80%80%ae",
    "%u002e%u002e", "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "%e2%80%a5", "%e2%80%a4%e2%80%a4", "&#46;&#46;",
    "\\x2e\\x2e", "\xc0\xae\xc0\xae", ".\xad.", "..\x80",
)  # fmt: skip
_BARS: Final = (
    "/", "//", "/./", "%2f", "%2F", "%252f", "%25252f", "%%32%66", "\\", "\\\\", "%5c", "%255c", "\\/", "%2f%5c",
    "%c0%af", "%c1%9c", "%e0%80%af", "%f0%80%80%af", "%u2215", "%uff0f", "%ef%bc%8f", "%e2%88%95", "%e2%81%84",
    "%00/", "/%00", "%0a/", ";/", "%3b/", "%3f/", "%23/", "\xc0\xaf", "\xaf",
)  # fmt: skip
_BEGINS: Final = ("", "/", "./", "x/", "%2f", "\\", "%00", "~/")
_DEPTHS: Final = (1, 2, 4, 12)
_ENDS: Final = ("", "%00", "%00.m4a", "/.", "/", "?", "%3f", "%20", "::$DATA", ";.m4a")


def ways_out(count: int, *, files: Sequence[str], ids: Sequence[str]) -> list[str]:
    """`count` of them, always the same ones. `files`: where they want to go; `ids`: of recordings, bent as well."""
    chance = random.Random(22)
    single = list(dict.fromkeys([*_absolute(files), *_ids(ids), *_broken()]))
    climbing = list(dict.fromkeys(_climbing(files)))
    chance.shuffle(climbing)
    found = (single + climbing)[:count]
    if len(found) < count:
        raise ValueError(f"only {len(found)} ways out")
    return found


def decoded(way: str) -> str:
    """What a program reads that decodes it once."""
    return unquote_to_bytes(way.encode("latin-1")).decode("utf-8", "replace")


def _climbing(files: Sequence[str]) -> Iterator[str]:
    for up, bar, depth in itertools.product(_UPS, _BARS, _DEPTHS):
        for number, file in enumerate(files):
            at = len(up) + len(bar) + depth + number
            begin, end = _BEGINS[at % len(_BEGINS)], _ENDS[at % len(_ENDS)]
            yield begin + (up + bar) * depth + file.strip("/").replace("/", bar) + end


def _absolute(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        path = "/" + file.strip("/")
        yield from (path, f"/{path}", quote(path, safe=""), quote(quote(path, safe=""), safe=""))
        yield from (
            f"file://{path}",
            f"file:{path}",
            f"http://127.0.0.1{path}",
            f"C:{path}".replace("/", "\\"),
        )
        yield from (f"\\\\127.0.0.1\\c$\\{file}".replace("/", "\\"), f"/proc/self/root{path}", f"%00{path}")
        yield from (f"/proc/self/cwd{path}", f"{path}%00", f"|cat%20{path}", f"$(cat%20{path})", f"`{path}`")


def _ids(ids: Sequence[str]) -> Iterator[str]:
    bare = "0" * 8
    for one in ids:
        yield from (
            one.upper(),
            one.replace("-", ""),
            f"%7b{one}%7d",
            f"urn:uuid:{one}",
            f"%20{one}",
            f"{one}%20",
        )
        yield from (
            f"{one}%00",
            f"{one}.m4a",
            f"{one}%0a",
            f"{one}/../{one}",
            f"{one}%2f..%2f{one}",
            f"{one};{one}",
        )
        yield from (
            f"{bare}-0000-0000-0000-000000000000/../{one}",
            f"{one},{one}",
            f"../{one}",
            f"*{one[1:]}",
        )
        yield from (
            one.replace("-", "%2d"),
            one.replace("-", "%e2%80%90"),
            f"{one}%00{one}",
            one[:-1] + "_",
            one[:-1] + "%",
        )
        yield quote("".join(chr(ord(sign) + 0xFEE0) if sign.isalnum() else sign for sign in one))


def _broken() -> Iterator[str]:
    yield from (
        "%",
        "%2",
        "%zz",
        "%00",
        "%ff",
        "%fe%ff",
        "\xff",
        "\xc0\xaf",
        "%ed%a0%80",
        "%f4%90%80%80",
        "%1b[2J",
    )
    yield from (
        "*",
        "%2a",
        "[a-z]*",
        "{a,b}",
        "$HOME",
        "${PATH}",
        "%24%7bjndi:x%7d",
        "{{7*7}}",
        "%n%n%n%s",
        "-",
        "--help",
    )
    yield from (
        ".",
        "..",
        "...",
        "~",
        "~root",
        "-1",
        "0",
        "1",
        "1%27%20OR%201=1--",
        "None",
        "null",
        "%c2%85",
        "%e2%80%ae",
    )
    yield from (
        "CON",
        "NUL",
        "listening.m4a",
        ".part",
        "A" * 300,
        "A" * 4000,
        "../" * 1300,
        "%2e%2e%2f" * 400,
    )
