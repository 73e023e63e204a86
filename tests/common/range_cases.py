"""What a server may answer to a request for a part of a file, by RFC 9110 section 14, case by case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BLOCK: Final = 64 * 1024  # of a sealed file, and of what is sent at once
MORE_THAN_ANY: Final = "9" * 30


@dataclass(frozen=True)
class Part:
    first: int
    last: int


@dataclass(frozen=True)
class Case:
    """`answers`: those that are right. "whole" is 200, "none" is 416."""

    range: str
    answers: tuple[Part | str, ...]
    method: str = "GET"
    more: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        return {"Range": self.range, **dict(self.more)}

    def is_right(self, status: int, headers: Mapping[str, str], body: bytes, whole: bytes) -> bool:
        """`headers` with names in lower case. `whole` is all of the file."""
        return any(self._is(answer, status, headers, body, whole) for answer in self.answers)

    def _is(
        self, answer: Part | str, status: int, headers: Mapping[str, str], body: bytes, whole: bytes
    ) -> bool:
        said = headers.get("content-range")
        if answer == "none":
            return status == 416 and said == f"bytes */{len(whole)}" and not _holds(body, whole)
        expected = whole[answer.first : answer.last + 1] if isinstance(answer, Part) else whole
        length_is_right = headers.get("content-length") == str(len(expected))
        body_is_right = body == (b"" if self.method == "HEAD" else expected)
        if isinstance(answer, Part):
            is_kind = status == 206 and said == f"bytes {answer.first}-{answer.last}/{len(whole)}"
        else:
            is_kind = status == 200 and said is None
        return is_kind and length_is_right and body_is_right and headers.get("accept-ranges") == "bytes"


def _holds(body: bytes, whole: bytes) -> bool:
    return len(whole) >= 16 and whole[:16] in body


def cases(size: int) -> list[Case]:
    """For a file of `size` bytes, more than two blocks."""
    end = size - 1
    parts = {
        "0-0": Part(0, 0), "0-99": Part(0, 99), "100-199": Part(100, 199), "1-1": Part(1, 1),
        "0-": Part(0, end), "1-": Part(1, end), f"{end}-": Part(end, end), f"{end}-{end}": Part(end, end),
        f"0-{end}": Part(0, end), f"0-{size}": Part(0, end), f"5-{size + 1000}": Part(5, end),
        f"7-{'9' * 18}": Part(7, end), "000-0009": Part(0, 9),
        "-1": Part(end, end), "-100": Part(size - 100, end), f"-{size}": Part(0, end),
        f"-{size + 1}": Part(0, end), f"-{'9' * 18}": Part(0, end),
        f"{BLOCK - 1}-{BLOCK}": Part(BLOCK - 1, BLOCK), f"{BLOCK}-{BLOCK}": Part(BLOCK, BLOCK),
        f"{BLOCK}-{2 * BLOCK - 1}": Part(BLOCK, 2 * BLOCK - 1), f"1-{2 * BLOCK}": Part(1, 2 * BLOCK),
    }  # fmt: skip
    outside = (f"{size}-", f"{size}-{size}", f"{size}-{size + 9}", f"{size + 1}-", f"{'9' * 18}-", "-0")
    # No ranges at all; RFC 9110 section 14.2: as if the header were not there.
    malformed = (
        "bytes=", "bytes=-", "bytes", "bytes=a-b", "bytes=0x1-2", "bytes=1-0", "bytes=99-98", "bytes=--1",
        "bytes=1--2", "bytes=1-2-3", "bytes=+1-2", "bytes=1.5-2", "bytes=1 -2", "bytes=1- 2", "bytes 0-1",
        "bytes:0-1", "bytes==0-1", "byte=0-1", "items=0-1", "seconds=0-1", "none=0-1", "=0-1", "0-1", "-", "*",
        "bytes=*/*", "bytes=0-1;q=1", "bytes=\u0661-\u0662".encode().decode("latin-1"), "bytes=\xb2-\xb3",
        '"bytes"=0-1', f"bytes={'0' * 5000}-", f"bytes=0-{'9' * 5000}",
    )  # fmt: skip
    # A server may ignore what it does not do, or a list of parts that looks like an attack (sections 14.2, 17.15).
    several = (
        "bytes=0-0,2-2", "bytes=0-,0-,0-,0-", "bytes=0-9, 20-29 ,-5", f"bytes=0-1,{size}-", "bytes=0-0,a-b",
        "bytes=" + ",".join(f"{n}-" for n in range(1000)),
    )  # fmt: skip
    found = [Case(f"bytes={words}", (part,)) for words, part in parts.items()]
    found += [Case(f"{unit}=0-9", (Part(0, 9),)) for unit in ("Bytes", "BYTES")]  # section 14.1
    found += [Case(f"bytes={words}", ("none",)) for words in outside]
    found += [Case(words, ("whole",)) for words in (*malformed, *several)]
    found += [
        Case("bytes=0-9,", ("whole", Part(0, 9))),
        Case("bytes=,0-9", ("whole", Part(0, 9))),
        Case("bytes= 0-9", ("whole", Part(0, 9))),
        Case(f"bytes=3-{MORE_THAN_ANY}", ("whole", Part(3, end))),
        Case(f"bytes=-{MORE_THAN_ANY}", ("whole", Part(0, end))),
        Case(f"bytes={MORE_THAN_ANY}-", ("whole", "none")),
    ]
    # Only GET has ranges (section 14.2): HEAD says what a GET without one would.
    found += [Case(f"bytes={words}", ("whole",), "HEAD") for words in ("0-9", "-5", f"{size}-", "0-0,2-2")]
    # No validator was ever given, so none agrees (section 13.1.5).
    dates = ("Sun, 22 Nov 2026 08:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT")
    validators = ('"abc"', 'W/"abc"', '""', "*", "abc", *dates)
    found += [Case("bytes=0-9", ("whole",), more=(("If-Range", said),)) for said in validators]
    found.append(Case(f"bytes={size}-", ("whole",), more=(("If-Range", '"abc"'),)))
    # A part is a part of the file, never of something packed.
    found += [Case("bytes=0-9", (Part(0, 9),), more=(("Accept-Encoding", "gzip, br"),))]
    return found
