"""What of the record is printed."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.db import models

from common.clock import now
from households.models import Household
from households.record.activity import Group, activity_names
from households.record.paper import MOST, Selection

_OLDEST = date(2000, 1, 1)  # no hub is older
_TOO_OLD = "No hub is that old. Choose a day from 2000 on."
_TO_COME = "That day is still to come. The record goes until today."
_BEFORE_FIRST = "The last day is before the first."


class Period(models.TextChoices):
    MONTH = "month", "The last 30 days"
    YEAR = "year", "The last 12 months"
    ALL = "all", "All of it"
    DAYS = "days", "Other days"


_LENGTHS = {Period.MONTH: timedelta(days=29), Period.YEAR: timedelta(days=365)}
_GROUPS = [
    ("", "Everything"),
    (Group.PEOPLE, "People"),
    (Group.DEVICES, "Devices"),
    (Group.RECORDINGS, "Recordings"),
    (Group.SIGN_INS, "Sign-ins"),
]


def _day_field(label: str) -> forms.DateField:
    return forms.DateField(required=False, label=label, widget=forms.DateInput(attrs={"type": "date"}))


class PrintForm(forms.Form):
    period = forms.ChoiceField(choices=Period.choices, label="When", initial=Period.MONTH)
    first_on = _day_field("First day")
    last_on = _day_field("Last day")
    group = forms.ChoiceField(choices=_GROUPS, label="What", required=False)
    name = forms.ChoiceField(label="Who", required=False)

    def __init__(self, household: Household, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._household = household
        names = [(name, name) for name in activity_names(household)]
        self.fields["name"].choices = [("", "Everybody"), *names]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Also whether it is too much for paper."""
        cleaned = super().clean() or {}
        if cleaned.get("period") == Period.DAYS:
            self._days_check(cleaned.get("first_on"), cleaned.get("last_on"))
        if not self.errors and (count := self.selection().rows().count()) > MOST:
            words = (
                f"These are {count:,} entries; at most {MOST:,} can be printed at once. Choose fewer days."
            )
            self.add_error("period", words)
        return cleaned

    def _days_check(self, first_on: date | None, last_on: date | None) -> None:
        for name, day in (("first_on", first_on), ("last_on", last_on)):
            if day and day < _OLDEST:
                self.add_error(name, _TOO_OLD)
            elif day and day > self._today():
                self.add_error(name, _TO_COME)
        if not self.errors and first_on and last_on and first_on > last_on:
            self.add_error("last_on", _BEFORE_FIRST)

    def selection(self) -> Selection:
        """Call after is_valid()."""
        values = self.cleaned_data
        first_on, last_on = self._days()
        return Selection(self._household, values["group"], values["name"], first_on, last_on)

    def _days(self) -> tuple[date | None, date | None]:
        period, today = self.cleaned_data["period"], self._today()
        if period in _LENGTHS:
            return today - _LENGTHS[period], today
        if period == Period.ALL:
            return None, None
        return self.cleaned_data["first_on"], self.cleaned_data["last_on"]

    def _today(self) -> date:
        return now().astimezone(ZoneInfo(self._household.time_zone)).date()
