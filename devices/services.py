"""Writes to devices and rooms."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from common.clock import now
from common.errors import Conflict, Invalid, NotFound
from common.names import name_need
from common.push import group_device, push_on_commit
from devices.events import device_removed, device_renamed
from devices.foreign import device_tokens_revoke
from devices.identity.certificates import csr_check
from devices.identity.keys import KEY_USED, key_was_used
from devices.models import (
    Device,
    DeviceAuthorization,
    DeviceCertificate,
    DevicePresence,
    EchoRemoval,
    Room,
    Transfer,
)
from devices.presence import presence_end
from devices.rooms import room_hold
from devices.sharing.loans import loans_end_with
from devices.sharing.rules import need_move, need_part, rules_moved_words
from households.access import members_hold, need
from households.events import rights_changed
from households.models import Household, Membership, User
from households.record.audit import AuditKind, Note, audit_note, audit_notes
from households.roles import Permission
from protocol.messages.household import DeviceSettings, Unclaimed


@dataclass(frozen=True)
class Parting:
    """How a device leaves its home: `reason` for the device itself, `done` for whoever is in a call with it."""

    reason: str
    done: str


REMOVED = Parting("The device was removed from its home.", "was removed")
GIVEN = Parting("The device was given to another home.", "was given away")


def room_get_or_create(*, household: Household, name: str) -> Room:
    """Raises Invalid for a name that is empty or too long."""
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise Invalid("A room needs a name of at most 80 letters.")
    existing = Room.objects.filter(household=household, name__iexact=name).first()
    if existing:
        return existing
    name_need(name)
    return Room.objects.get_or_create(household=household, name=name)[0]


def device_create(
    household: Household,
    user: User | None,
    authorization: DeviceAuthorization,
    *,
    name: str,
    room: Room | None,
    is_auto_answer: bool,
) -> Device:
    """As it described itself when it asked. Raises Conflict for a key that was a device's before.

    Or for a room that was removed meanwhile. Needs a transaction.
    """
    room_hold(room)
    if key_was_used(authorization.fingerprint_sha256):
        raise Conflict(KEY_USED)
    try:
        with transaction.atomic():
            device = Device.objects.create(
                household=household,
                room=room,
                name=name,
                model=authorization.model,
                serial=authorization.serial,
                capabilities=authorization.capabilities,
                fingerprint_sha256=authorization.fingerprint_sha256,
                public_key_pem=csr_check(authorization.csr_pem).public_key_pem,
                is_auto_answer=is_auto_answer,
                claimed_by=user,
                claimed_at=now(),
            )
    except IntegrityError:
        raise Conflict(KEY_USED) from None
    DevicePresence.objects.create(device=device)
    return device


def claim_details(device: Device) -> dict[str, object]:
    """For the record: where a new device stands, and whether it answers without anybody there."""
    return {
        "device": device,
        "room": device.room,
        "answers": _answers(device) if device.is_auto_answer else None,
    }


def _answers(device: Device) -> str:
    return "by itself" if device.is_auto_answer else "only when somebody there picks up"


def device_update(
    *,
    membership: Membership,
    device: Device,
    name: str,
    room: Room | None,
    is_auto_answer: bool,
    echo_removal: EchoRemoval,
) -> Device:
    """What concerns the device reaches it at once, also in a call.

    Raises Invalid, NotAllowed, NotFound, and Conflict for a room that was removed meanwhile.
    """
    if not name.strip():
        raise Invalid("Give the device a name.")
    name_need(name)
    with transaction.atomic():
        members_hold(membership)  # nobody sets rules between the look at them and the move
        need(membership, Permission.DEVICES_MANAGE)
        rows = Device.objects.select_for_update(of=("self",)).select_related("room")
        if (before := rows.filter(pk=device.pk, revoked_at=None).first()) is None:
            raise NotFound("There is no such device.")
        need_move(membership, before, room)
        room_hold(room)
        device.name, device.room, device.is_auto_answer = name.strip()[:80], room, is_auto_answer
        device.echo_removal = echo_removal
        device.save(update_fields=["name", "room", "is_auto_answer", "echo_removal", "updated_at"])
        push_on_commit(group_device(device.public_id), device_settings(device))
        if before.name != device.name:
            device_renamed.send(sender=Device, device=device)
        if before.room_id != device.room_id:  # and under the rules of another room, with what was said before
            Device.objects.filter(replaced_by=device).update(room=room)
            rights_changed.send(sender=Device, household=device.household, user=None)
        _device_note(before, device, {"actor": membership.user})
    return device


def _device_note(before: Device, device: Device, who: dict[str, object]) -> None:
    """For the record, what of it is another now."""
    if before.name != device.name:
        audit_note(device.household, AuditKind.RENAMED, old=before, device=device, **who)
    if before.room_id != device.room_id:
        details = {"device": device, "old": before.room, "room": device.room or "no room"}
        rules = rules_moved_words(device, before.room)
        audit_note(device.household, AuditKind.MOVED, **details, rules=rules or None, **who)
    if before.is_auto_answer != device.is_auto_answer:
        details = {"device": device, "answers": _answers(device)}
        audit_note(device.household, AuditKind.ANSWERING_CHANGED, **details, **who)


def device_settings(device: Device) -> DeviceSettings:
    return DeviceSettings(
        echo_cancellation=device.echo_removal == EchoRemoval.DEVICE, device_name=device.name
    )


def device_echo_measured(*, device: Device, echo_return_loss_enhancement: float) -> None:
    """In dB, from the device itself, now and then in a call."""
    DevicePresence.objects.filter(device=device).update(
        echo_return_loss_enhancement=echo_return_loss_enhancement
    )


def device_remove(*, membership: Membership, device: Device) -> None:
    """See device_unclaim. Raises NotAllowed, NotFound."""
    with transaction.atomic():
        members_hold(membership)  # nobody sets rules in between, or lends it
        need_part(membership, device, deed="remove it")
        device_unclaim(device=device, by=membership.user)


def device_unclaim(*, device: Device, by: User | None = None) -> None:
    """Revoked at once, a live call ends; the device wipes itself when it hears of it. History and recordings stay."""
    with transaction.atomic():
        notes = device_part(device=device, parting=REMOVED, by=by)
        if notes is not None:
            audit_notes(device.household, notes)
            audit_note(device.household, AuditKind.UNCLAIMED, **_by(by), device=device.name)


def device_part(*, device: Device, parting: Parting, by: User | None) -> list[Note] | None:
    """It leaves its home, and with it what is lent of it. None: it had left before. Needs a transaction.

    What it answers is for whoever calls it to write in the record, last.
    """
    moment = now()  # the same for both: whoever had it lent until then reads what became of it
    notes = loans_end_with(device=device, by=by, at=moment)  # before its call, as whoever ends a loan does
    return notes if device_revoke(device=device, parting=parting, at=moment) else None


def device_revoke(*, device: Device, parting: Parting, at: datetime) -> bool:
    """Nothing that it knows opens anything from now on. False: it was revoked before. Needs a transaction."""
    if not Device.objects.filter(pk=device.pk, revoked_at=None).update(revoked_at=at):
        return False
    DeviceCertificate.objects.filter(device=device, revoked_at=None).update(revoked_at=now())
    device_tokens_revoke(device=device)
    Transfer.objects.filter(device=device, accepted_at=None, cancelled_at=None).update(cancelled_at=now())
    presence_end(device=device)
    device_removed.send(sender=Device, device=device, done=parting.done)
    # Perhaps a guest had nothing else.
    rights_changed.send(sender=Device, household=device.household, user=None)
    push_on_commit(group_device(device.public_id), Unclaimed(reason=parting.reason))
    return True


def _by(user: User | None) -> dict[str, object]:
    """Without anybody, the record says that the hub did it."""
    return {} if user is None else {"actor": user}
