"""What people choose on "Who may ...", and when they lend something."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone

from common.clock import now
from common.errors import Invalid
from common.names import NameField
from devices.models import Device, Room
from devices.sharing.loans import LONGEST
from devices.sharing.rights import LENT_BY, rights_own
from devices.sharing.rules import GONE, RIGHT_WORDS, members_to_name, rights_of
from households.models import Membership
from households.roles import Permission

NEW = "new"
NIGHT = time(22)
LATE = time(23, 59)
SUNDAY = 6
_LATER = {"type": "datetime-local"}


class RulesForm(forms.Form):
    """For each right `who_RIGHT` (usual or only) and `members_RIGHT`."""

    def __init__(self, *args: Any, membership: Membership, place: Device | Room, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rights = rights_of(place)
        self.people = members_to_name(membership)
        choices = [(member.public_id, member.user.name) for member in self.people]
        for right in self.rights:
            self.fields[f"who_{right}"] = forms.ChoiceField(choices=[("usual", ""), ("only", "")])
            self.fields[f"members_{right}"] = forms.TypedMultipleChoiceField(
                required=False, coerce=UUID, choices=choices
            )

    def named(self) -> dict[Permission, list[Membership] | None]:
        """What devices.sharing.rules.rules_save() takes. Raises Invalid."""
        if not self.is_valid():
            raise Invalid(GONE)
        data = self.cleaned_data
        return {
            right: [member for member in self.people if member.public_id in data[f"members_{right}"]]
            if data[f"who_{right}"] == "only"
            else None
            for right in self.rights
        }


def loan_ends(begin: datetime) -> dict[str, datetime]:
    """The usual ends of a loan, in the zone of the household, whose clock the member has."""
    begin = timezone.localtime(begin)
    night = _at(begin, NIGHT) if begin.time() < time(21) else _at(begin, LATE)
    sunday = _at(begin + timedelta(days=SUNDAY - begin.weekday()), NIGHT)
    if sunday - begin < timedelta(hours=1):
        sunday = _at(begin + timedelta(days=7), NIGHT)
    return {
        "hour": begin + timedelta(hours=1),
        "evening": night,
        "weekend": sunday,
        "week": begin + timedelta(days=7),
    }


def _at(day: datetime, clock: time) -> datetime:
    return datetime.combine(day.date(), clock, tzinfo=day.tzinfo)


@dataclass(frozen=True)
class Lendable:
    """What of a device somebody may lend: talk, listen, announce. `kept`: what a rule keeps from them, or ""."""

    words: list[str]
    kept: str


def lendable(membership: Membership, device: Device) -> Lendable:
    """Nobody lends what they may not do themselves. Whoever listens in calls; what cannot ring is heard at once."""
    listen = {Permission.CALL, Permission.DROP_IN}
    needed = {"talk": {Permission.CALL}, "listen": listen, "announce": {Permission.ANNOUNCE}}
    if device.is_foreign:
        needed = {"talk": listen}
    own = rights_own(membership, device)
    kept = [RIGHT_WORDS[right] for right in LENT_BY if right in set().union(*needed.values()) - own]
    either = " or ".join([", ".join(kept[:-1]), kept[-1]] if len(kept) > 1 else kept)
    return Lendable([word for word, rights in needed.items() if rights <= own], either)


class LoanForm(forms.Form):
    """To whom, what, from when, until when."""

    to = forms.ChoiceField(error_messages={"required": "Choose to whom."})
    name = NameField(
        max_length=80,
        required=False,
        label="Their name",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Gil"}),
    )
    talk = forms.BooleanField(required=False)
    listen = forms.BooleanField(required=False)
    announce = forms.BooleanField(required=False)
    begins_at = forms.DateTimeField(
        required=False, label="From", widget=forms.DateTimeInput(attrs=_LATER, format="%Y-%m-%dT%H:%M")
    )
    until = forms.ChoiceField(
        choices=[(word, "") for word in ("hour", "evening", "weekend", "week", "date")],
        error_messages={"required": "Choose until when."},
    )
    ends_at = forms.DateTimeField(
        required=False,
        label="Until",
        widget=forms.DateTimeInput(attrs=_LATER, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, membership: Membership, device: Device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = Membership.objects.filter(household=membership.household).exclude(pk=membership.pk)
        self.people = list(people.select_related("user").order_by("created_at"))
        self.device, self.new = device, NEW
        self.lendable = lendable(membership, device)
        if len(self.lendable.words) == 1:
            self.initial[self.lendable.words[0]] = True
        self.ends = loan_ends(now())
        self.fields["to"].choices = [  # type: ignore[attr-defined]  # ChoiceField has it
            *((str(member.public_id), member.user.name) for member in self.people),
            (NEW, "Somebody new"),
        ]

    def end_choices(self) -> list[tuple[str, str]]:
        """For the chips: the word of the choice, and what it comes to."""
        ends = self.ends
        return [
            ("hour", "1 hour"),
            ("evening", f"This evening ({ends['evening']:%H:%M})"),
            ("weekend", f"The weekend (Sunday {ends['weekend']:%H:%M})"),
            ("week", "A week"),
            ("date", "Another time"),
        ]

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if data.get("to") == NEW and not data.get("name", "").strip():
            self.add_error("name", "Say who it is, so that you know whose it is in the list.")
        begin = data.get("begins_at")
        if begin and not now() - LONGEST <= begin <= now() + LONGEST:
            self.add_error("begins_at", "Choose a day within a year from now.")
        if data.get("until") == "date" and not data.get("ends_at") and "ends_at" not in self.errors:
            self.add_error("ends_at", "Choose a date and a time.")
        if not any(data.get(word) for word in ("talk", "listen", "announce")):
            self.add_error("talk", "Choose what they may do.")
        return data

    def values(self) -> dict[str, Any]:
        """What devices.sharing.loans.loan_create() takes. Call after is_valid()."""
        data = self.cleaned_data
        begin = data["begins_at"] or now()
        ends = {**loan_ends(begin), "date": data["ends_at"]}
        return {
            "to": next((one for one in self.people if str(one.public_id) == data["to"]), None),
            "name": data["name"] if data["to"] == NEW else "",
            "rights": self._rights(),
            "starts_at": begin,
            "ends_at": ends[data["until"]],
        }

    def _rights(self) -> set[Permission]:
        """Whoever listens in calls; what cannot ring is heard at once."""
        data, rights = self.cleaned_data, set()
        if data["talk"] or data["listen"]:
            rights.add(Permission.CALL)
        if data["listen"] or (data["talk"] and self.device.is_foreign):
            rights.add(Permission.DROP_IN)
        if data["announce"]:
            rights.add(Permission.ANNOUNCE)
        return rights
