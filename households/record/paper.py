"""The record of a household on paper: what was chosen of it, oldest first, and what the check of all of it found."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from asgiref.sync import sync_to_async
from django.db.models import Count, Max, Min, QuerySet
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django_scopes import scope

from common.words import day_words, moment_words
from households.models import AuditEntry, Household
from households.record.activity import Group, activity_rows, is_warning
from households.record.audit import audit_sentence
from households.record.chain import audit_check

# A browser lays out so many in a few seconds. More are for the file.
MOST: Final = 10_000
MARK: Final[SafeString] = mark_safe("<!-- here -->")
_AT_ONCE: Final = 500
_GROUP_WORDS: Final[dict[str, str]] = {
    Group.PEOPLE: "people",
    Group.DEVICES: "devices",
    Group.RECORDINGS: "recordings",
    Group.SIGN_INS: "sign-ins",
}


@dataclass(frozen=True)
class Selection:
    """`first_on`, `last_on`: days of the household; None: without an end there."""

    household: Household
    group: str = ""
    name: str = ""
    first_on: date | None = None
    last_on: date | None = None

    @property
    def words(self) -> str:
        what = _GROUP_WORDS.get(self.group, "everything")
        return ", ".join(part for part in (what, self.name and f"only {self.name}", self.days) if part)

    @property
    def days(self) -> str:
        first, last = (day_words(day) if day else "" for day in (self.first_on, self.last_on))
        if first and last:
            return first if first == last else f"{first} to {last}"
        return f"from {first} on" if first else f"until {last}" if last else "from the beginning on"

    def rows(self) -> QuerySet[AuditEntry]:
        """Oldest first."""
        rows = activity_rows(self.household, self.group, self.name).order_by("number")
        if self.first_on:
            rows = rows.filter(at__gte=self._begin_of(self.first_on))
        if self.last_on:
            rows = rows.filter(at__lt=self._begin_of(self.last_on + timedelta(days=1)))
        return rows

    def _begin_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, ZoneInfo(self.household.time_zone))


def paper_facts(selection: Selection, entry: AuditEntry) -> dict[str, Any]:
    """What stands above the entries; those up to `entry`, which tells of the printing, count."""
    found = selection.rows().filter(number__lte=entry.number)
    numbers = found.aggregate(count=Count("pk"), first=Min("number"), last=Max("number"))
    return numbers | {"made_at": moment_words(entry.at, selection.household.time_zone)}


async def paper_parts(shell: str, selection: Selection, entry: AuditEntry) -> AsyncIterator[str]:
    """`shell` with the entries at its first mark and the end at its second. Reads some hundred entries at a time."""
    above, between, below = shell.split(MARK)
    yield above
    last = 0
    while part := await sync_to_async(_rows_after)(selection, last, entry.number):
        last = part[-1]["number"]
        yield await sync_to_async(render_to_string)("households/_paper_rows.html", {"rows": part})
    yield between
    yield await sync_to_async(_end)(entry)
    yield below


def _rows_after(selection: Selection, last: int, up_to: int) -> list[dict[str, Any]]:
    with scope(household=selection.household):
        rows = selection.rows().filter(number__gt=last, number__lte=up_to)[:_AT_ONCE]
        return [
            {
                "number": row.number,
                "at": moment_words(row.at, selection.household.time_zone),
                "sentence": audit_sentence(row),
                "is_warning": is_warning(row.kind),
            }
            for row in rows
        ]


def _end(entry: AuditEntry) -> str:
    check = audit_check(entry.household)
    return render_to_string("households/_paper_end.html", {"check": check, "entry": entry})
