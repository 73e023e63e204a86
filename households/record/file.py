"""The record of a household as a file: JSON Lines, an entry each, the last one telling of the export itself."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django_scopes import scope

from households.models import AuditEntry, Household
from households.record.audit import AuditKind, audit_list, audit_sentence, audit_sentences
from households.record.chain import AuditCheck, AuditProblem, audit_chain

CONTENT_TYPE = "application/jsonl"
_AT_ONCE = 500


class NotARecord(Exception):
    """A line that no hub writes. `number`: which, from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Line {number} is not an entry of a record.")
        self.number = number


def audit_line(entry: AuditEntry) -> str:
    """One entry, with what it takes to check its hash."""
    told = {
        "household": str(entry.household.public_id),
        "number": entry.number,
        "at": entry.at.isoformat(timespec="microseconds"),
        "kind": str(entry.kind),
        "sentence": audit_sentence(entry),
        "details": entry.details,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }
    return json.dumps(told, ensure_ascii=False) + "\n"


async def audit_lines(household: Household, up_to: int) -> AsyncIterator[str]:
    """Oldest first. Reads a few hundred entries at a time, however many there are."""
    last = 0
    while last < up_to:
        lines = await sync_to_async(_lines_after)(household, last, up_to)
        if not lines:
            return
        yield "".join(lines)
        last += _AT_ONCE


def _lines_after(household: Household, last: int, up_to: int) -> list[str]:
    with scope(household=household):
        rows = audit_list(household).filter(number__gt=last, number__lte=min(last + _AT_ONCE, up_to))
        return [audit_line(entry) for entry in rows.select_related("household").order_by("number")]


def audit_file_check(lines: Iterable[str]) -> AuditCheck:
    """Whether a file is what this hub exported. Raises NotARecord.

    Its own last entry tells of the export, so that lines that are missing at the end show.
    """
    reader = _Reader(lines)
    found, _ = audit_chain(reader)
    if reader.reworded_at is not None and (found.broken_at or reader.reworded_at) >= reader.reworded_at:
        return AuditCheck(reader.reworded_at, reader.reworded_at, AuditProblem.REWORDED)
    if found.broken_at is None and reader.last_kind != AuditKind.EXPORTED:
        return AuditCheck(found.count, found.count + 1, AuditProblem.MISSING)
    return found


class _Reader:
    """Entries of a file. Stops at the first whose sentence is not what its kind says."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.last_kind = ""
        self.reworded_at: int | None = None

    def __iter__(self) -> Iterator[AuditEntry]:
        for number, line in enumerate(self._lines, start=1):
            entry, sentence = _entry(line, number)
            yield entry
            self.last_kind = entry.kind
            if sentence not in audit_sentences(entry):
                self.reworded_at = number
                return


def _entry(line: str, number: int) -> tuple[AuditEntry, str]:
    try:
        told: dict[str, Any] = json.loads(line)
        entry = AuditEntry(
            household=Household(public_id=UUID(str(told["household"]))),
            number=int(told["number"]),
            at=datetime.fromisoformat(told["at"]),
            kind=str(told["kind"]),
            details=dict(told["details"]),
            previous_hash=str(told["previous_hash"]),
            hash=str(told["hash"]),
        )
        return entry, str(told["sentence"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotARecord(number) from None
