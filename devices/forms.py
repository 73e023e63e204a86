"""What people type about devices."""

from typing import Any

from django import forms

from common.errors import Invalid
from common.names import NameField
from devices.models import Device, EchoRemoval, Room
from devices.selectors import room_list
from devices.services import room_get_or_create
from devices.sharing.rules import is_ruled, rooms_closed
from households.models import Household, Membership
from households.roles import Permission

OTHER_ROOM = "+"
SUGGESTED_ROOMS = ("Kitchen", "Living room", "Bedroom", "Nursery", "Office", "Hall")


class CodeForm(forms.Form):
    """From the QR code, or typed. One of `secret` and `user_code` is enough."""

    secret = forms.CharField(max_length=200, required=False, widget=forms.HiddenInput)
    fingerprint = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    user_code = forms.CharField(
        max_length=40,
        required=False,
        label="Code on the device",
        widget=forms.TextInput(
            attrs={
                "placeholder": "BCDFG-HJKLM",
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "inputmode": "text",
                "class": "code-input",
            }
        ),
    )

    def codes(self) -> dict[str, str]:
        """What devices.claiming.confirmation.authorization_find() takes. Call after is_valid()."""
        return {
            name: self.cleaned_data.get(name, "").strip() for name in ("secret", "user_code", "fingerprint")
        }


class DeviceForm(forms.Form):
    """What a device is called, where it stands, and whether it answers by itself. Own rooms first, then usual ones."""

    name = NameField(
        max_length=80,
        label="Name",
        error_messages={"required": "Give the device a name."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    room_name = forms.CharField(max_length=80, required=False, widget=forms.HiddenInput)
    other_room = NameField(
        max_length=80,
        required=False,
        label="Name of the room",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Attic"}),
    )
    is_auto_answer = forms.BooleanField(
        required=False,
        label="May answer calls by itself",
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )

    def __init__(self, *args: Any, household: Household, can_ring: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.household, self.can_ring = household, can_ring
        if not can_ring:
            del self.fields["is_auto_answer"]
        self.own_rooms = [room.name for room in room_list(household)]
        taken = {name.lower() for name in self.own_rooms}
        self.suggested_rooms = [name for name in SUGGESTED_ROOMS if name.lower() not in taken]
        self.other_room_value = OTHER_ROOM

    @staticmethod
    def initial_of(device: Device) -> dict[str, Any]:
        room_name = device.room.name if device.room else ""
        return {"name": device.name, "room_name": room_name, "is_auto_answer": device.is_auto_answer}

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if data.get("room_name") == OTHER_ROOM and not data.get("other_room", "").strip():
            self.add_error("other_room", "Give the room a name.")
        return data

    def values(self) -> dict[str, Any]:
        """All of it, with a room that is made where it is new. Raises Invalid for what the form does not accept."""
        if not self.is_valid():
            raise Invalid(str(next(iter(self.errors.values()))[0]))
        data = self.cleaned_data
        is_auto_answer = data.get("is_auto_answer", True)  # what cannot ring is in the call at once
        return {"name": data["name"], "room": self._room(), "is_auto_answer": is_auto_answer}

    def _room(self) -> Room | None:
        chosen = self.cleaned_data["room_name"]
        name = self.cleaned_data["other_room"] if chosen == OTHER_ROOM else chosen
        return room_get_or_create(household=self.household, name=name) if name.strip() else None


class DeviceSettingsForm(DeviceForm):
    """What can be changed once the device is there."""

    echo_removal = forms.ChoiceField(
        choices=[
            (EchoRemoval.DEVICE, "The device takes them out"),
            (EchoRemoval.HUB, "The hub takes them out"),
            (EchoRemoval.OFF, "Leave the sound as it is"),
        ],
        label="Echo and noise",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, device: Device, membership: Membership, **kwargs: Any) -> None:
        kwargs |= {"household": membership.household, "can_ring": not device.is_foreign}
        super().__init__(*args, initial=self.initial_of(device), **kwargs)
        closed = rooms_closed(membership)
        names = {room.name for room in closed}
        self.is_room_kept = device.room in closed
        self.closed_rooms = [] if self.is_room_kept else [name for name in self.own_rooms if name in names]
        self.own_rooms = [name for name in self.own_rooms if name not in self.closed_rooms]
        self.answers_few = is_ruled(device, Permission.DROP_IN)

    @staticmethod
    def initial_of(device: Device) -> dict[str, Any]:
        return {**DeviceForm.initial_of(device), "echo_removal": device.echo_removal}

    def values(self) -> dict[str, Any]:
        values = super().values()
        return {**values, "echo_removal": EchoRemoval(self.cleaned_data["echo_removal"])}


class ClaimForm(DeviceForm, CodeForm):
    """The code again, so that nothing has to be remembered between the two pages."""

    lets_go = forms.UUIDField(required=False, widget=forms.HiddenInput)  # what the device was known as
    user_code = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)

    def values(self) -> dict[str, Any]:
        return {**super().values(), "lets_go": self.cleaned_data.get("lets_go")}
