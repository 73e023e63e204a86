"""Writes to rooms."""

from common.errors import Conflict, Invalid
from devices.models import Device, Room


def room_rename(*, room: Room, name: str) -> Room:
    """Raises Invalid, and Conflict for a name that another room has."""
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise Invalid("A room needs a name of at most 80 letters.")
    others = Room.objects.filter(household=room.household, name__iexact=name).exclude(pk=room.pk)
    if others.exists():
        raise Conflict(f"There is a room named {name} already.")
    room.name = name
    room.save(update_fields=["name", "updated_at"])
    return room


def room_remove(*, room: Room) -> None:
    """Raises Conflict while a device stands in it."""
    if Device.objects.filter(room=room, revoked_at=None).exists():
        raise Conflict(f"{room} is not empty. Move its devices to another room first.")
    room.delete()
