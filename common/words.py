"""Small parts of sentences."""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo


def and_words(words: Sequence[str]) -> str:
    """ "Anna", "Anna and Ben", "Anna, Ben and Carla"; "" for nobody."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def moment_words(moment: datetime, time_zone: str) -> str:
    """ "3 May 2026, 18:00": what still says when it was after years, and on paper."""
    there = moment.astimezone(ZoneInfo(time_zone))
    return f"{there.day} {there:%B %Y, %H:%M}"


def size_words(size_bytes: float) -> str:
    """ "148.0 MB", "2.5 GB": of a thousand, as disks and downloads are sold."""
    is_large = size_bytes >= 1e9
    return f"{size_bytes / (1e9 if is_large else 1e6):.1f} {'GB' if is_large else 'MB'}"


def day_words(day: date) -> str:
    """ "3 May 2026"."""
    return f"{day.day} {day:%B %Y}"
