"""Writes to rooms. A room and its rules are held together: see devices.sharing.rules."""

from django.db import IntegrityError, transaction

from common.errors import Conflict, Invalid, NotAllowed, NotFound
from common.names import name_need
from devices.models import Device, Room
from devices.sharing.rules import has_rules, rules_copy
from households.access import members_hold, need
from households.models import Membership
from households.record.audit import AuditKind, audit_note
from households.roles import Permission, allows


def room_hold(room: Room | None) -> None:
    """Until the transaction ends nobody removes it. Raises Conflict where somebody did."""
    if room is not None and Room.objects.select_for_update(no_key=True).filter(pk=room.pk).first() is None:
        raise Conflict(f"{room} was removed a moment ago. Choose another room.")


def room_rename(*, membership: Membership, room: Room, name: str) -> None:
    """Raises Invalid, NotAllowed, NotFound, and Conflict for a name that another room has."""
    need(membership, Permission.DEVICES_MANAGE)
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise Invalid("A room needs a name of at most 80 letters.")
    name_need(name)
    with transaction.atomic():
        renamed = _room_lock(room)
        old, renamed.name = renamed.name, name
        _name_save(renamed)
        if name != old:
            details = {"actor": membership.user, "old": old, "room": name}
            audit_note(room.household, AuditKind.ROOM_RENAMED, **details)


def room_remove(*, membership: Membership, room: Room) -> None:
    """Who may hear what was said in it stays as it is, so where it has rules that is for an owner.

    Raises Conflict while a device stands in it, NotAllowed, NotFound.
    """
    with transaction.atomic():
        members_hold(membership)
        need(membership, Permission.DEVICES_MANAGE)
        removed = _room_lock(room)
        if Device.objects.filter(room=room, revoked_at=None).exists():
            raise Conflict(f"{room} is not empty. Move its devices to another room first.")
        if not may_remove(membership, room):
            raise NotAllowed(f"{room} has rules of its own, so only an owner can remove it.")
        for device in Device.objects.select_related("household").filter(room=room):
            rules_copy(removed, device)
        removed.delete()
        audit_note(room.household, AuditKind.ROOM_REMOVED, actor=membership.user, room=room)


def may_remove(membership: Membership, room: Room) -> bool:
    """Where it is empty."""
    return allows(membership.role, Permission.HOUSEHOLD_MANAGE) or not has_rules(room)


def _room_lock(room: Room) -> Room:
    locked = Room.objects.select_for_update().filter(pk=room.pk).first()
    if locked is None:
        raise NotFound("There is no such room.")
    return locked


def _name_save(room: Room) -> None:
    words = f"There is a room named {room.name} already."
    others = Room.objects.filter(household=room.household_id, name__iexact=room.name).exclude(pk=room.pk)
    if others.exists():
        raise Conflict(words)
    try:
        with transaction.atomic():
            room.save(update_fields=["name", "updated_at"])
    except IntegrityError:  # somebody made one a moment ago
        raise Conflict(words) from None
