"""What turns a recording into words, whatever library does it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from common.errors import Invalid


@dataclass(frozen=True)
class Word:
    """Seconds from the start of the file; `probability` from 0 to 1."""

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """One sentence, or the part of one between two pauses."""

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...]


class UnreadableAudio(Invalid):
    """The file is no audio that can be decoded."""


class Transcriber(Protocol):
    """A loaded recogniser. Slow: minutes for an hour of speech; never on an event loop."""

    @property
    def model_name(self) -> str: ...

    @property
    def is_demo(self) -> bool: ...

    def transcribe(self, source: Path | BinaryIO, *, language: str | None) -> Iterator[Segment]:
        """Sentences in order, as they are found; none for a file without speech. Raises UnreadableAudio."""
        ...
