"""What people type and choose for an announcement."""

from typing import Any
from uuid import UUID

from django import forms

from announcements.speech import voice_list
from devices.models import Device
from devices.selectors import device_list_for, room_list
from devices.sharing.rights import has_right
from households.models import Membership
from households.roles import Permission
from protocol.messages.sound import MAX_SPEECH_CHARS, Voice


class AnnounceForm(forms.Form):
    """No length is checked here: announcement_send() does it, in one place for pages and programs."""

    text = forms.CharField(required=False, strip=False, label="What should be said?", widget=forms.Textarea)
    voice_id = forms.CharField(required=False, max_length=100, label="Voice")
    everywhere = forms.BooleanField(required=False)
    rooms = forms.TypedMultipleChoiceField(required=False, coerce=UUID)
    devices = forms.TypedMultipleChoiceField(required=False, coerce=UUID)

    def __init__(self, *args: Any, membership: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        household = membership.household
        speakers = [device for device in device_list_for(membership) if not device.is_foreign]
        self.device_rows = [device for device in speakers if has_right(device, Permission.ANNOUNCE)]
        self.refused_rows = [device for device in speakers if not has_right(device, Permission.ANNOUNCE)]
        taken = {device.room_id for device in self.device_rows}
        self.room_rows = [room for room in room_list(household) if room.pk in taken]
        self.voices: list[Voice] = voice_list(household.language)
        self.most_chars = MAX_SPEECH_CHARS
        for name, rows in (("rooms", self.room_rows), ("devices", speakers)):
            choices = [(row.public_id, row.name) for row in rows]
            self.fields[name].choices = choices  # type: ignore[attr-defined]  # ChoiceField has it

    def chosen_devices(self) -> list[Device]:
        """Every chosen device once; one without leave only if it was named. Call after is_valid()."""
        data = self.cleaned_data
        rooms, devices = set(data.get("rooms", [])), set(data.get("devices", []))
        named = [device for device in self.refused_rows if device.public_id in devices]
        return named + [
            device
            for device in self.device_rows
            if data.get("everywhere")
            or device.public_id in devices
            or (device.room and device.room.public_id in rooms)
        ]

    def voice(self) -> str | None:
        return self.cleaned_data.get("voice_id") or None
