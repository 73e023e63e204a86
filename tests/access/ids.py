"""The ids of all that a household has, and a form with one in every field that may take one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from django import forms
from django.apps import apps
from django.core.exceptions import FieldError
from django.db.models import Model
from django_scopes import scopes_disabled

from households.models import Household

ABSENT_NUMBER: Final = 2_000_000_000
# How a row leads to its household.
_WAYS: Final = ("household", "device__household", "membership__household", "memberships__household")
_WORDS: Final = {
    "text": "Hello.", "email": "x@example.org", "name": "Somebody", "time_zone": "UTC", "language": "en",
    "role": "child", "user_code": "BCDFGHJKLM", "echo_removal": "hub", "right": "announce",
}  # fmt: skip


@dataclass(frozen=True)
class Ids:
    """One of each kind of row, by the name of its model in lower case. `numbers`: their keys inside."""

    uuids: dict[str, UUID]
    numbers: dict[str, int]

    def without(self, kinds: frozenset[str]) -> "Ids":
        """Those that are nothing to keep from somebody who knows them anyway."""
        return Ids(
            {kind: one for kind, one in self.uuids.items() if kind not in kinds},
            {kind: one for kind, one in self.numbers.items() if kind not in kinds},
        )

    def absent(self) -> "Ids":
        """As many that nobody has."""
        return Ids({kind: uuid4() for kind in self.uuids}, dict.fromkeys(self.numbers, ABSENT_NUMBER))


def ids_of(household: Household) -> Ids:
    """Of all that belongs to the household, also people and what opens doors to it."""
    uuids: dict[str, UUID] = {"household": household.public_id}
    numbers: dict[str, int] = {}
    with scopes_disabled():
        for model in apps.get_models():
            row = _row_of(model, household)
            if row is None:
                continue
            kind = model.__name__.lower()
            numbers[kind] = row.pk
            if hasattr(row, "public_id"):
                uuids[kind] = row.public_id
    return Ids(uuids, {kind: number for kind, number in numbers.items() if isinstance(number, int)})


def _row_of(model: type[Model], household: Household) -> Any:
    for way in (*_WAYS, "user__memberships__household"):
        names = {one.name for one in model._meta.get_fields()}
        if way.split("__")[0] in names:
            try:
                return model._base_manager.filter(**{way: household}).order_by("pk").first()
            except (ValueError, TypeError, LookupError, FieldError):
                continue  # no way of this model, such as user__memberships of a log
    return None


def _forms(base: type[forms.BaseForm] = forms.BaseForm) -> Iterator[type[forms.BaseForm]]:
    for form in base.__subclasses__():
        yield form
        yield from _forms(form)


def body_of(ids: Ids) -> dict[str, list[str]]:
    """Every field of every form of ours. Where a field, or a part of its name, is a kind of thing: its id."""
    names = {
        name
        for form in _forms()
        if not form.__module__.startswith("django")
        for name in getattr(form, "base_fields", {})
    }
    usual = (
        "household",
        "device",
        "devices",
        "room",
        "rooms",
        "member",
        "members",
        "call",
        "loan",
        "lets_go",
    )
    return {name: _value(name, ids) for name in sorted(names | set(usual) | {"everywhere"})}


def _value(name: str, ids: Ids) -> list[str]:
    if name in _WORDS:
        return [_WORDS[name]]
    kind = {"member": "membership", "lets_go": "device", "person": "membership"}.get(
        name.removesuffix("s"), name.removesuffix("s")
    )
    kind = {"lets_go": "device"}.get(name, kind)
    if kind in ids.uuids:
        return [str(ids.uuids[kind])]
    return ["on" if name.startswith(("is_", "wants_", "hides_", "every", "can_")) else "x"]
