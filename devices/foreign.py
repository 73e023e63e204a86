"""Devices of other makers: added by a member, known by a token. What they do with it is in signaling/whip.py."""

from django.db import transaction
from django_scopes import scopes_disabled

from common.clock import now
from common.codes import secret_hash, secret_make
from common.errors import Conflict, Invalid, NotSignedIn
from common.names import name_need
from devices.events import device_locked_out
from devices.models import Device, DeviceKind, DevicePresence, DeviceToken, Room
from devices.rooms import room_hold
from households.access import need
from households.models import Membership, User
from households.record.audit import AuditKind, audit_note
from households.roles import Permission

MODEL = "WHIP device"
USUAL_NAME = "Intercom"
_PREFIX = "hld_"
_REFUSED = "This token lets no device in. Make a new one on the page of the device."


def foreign_device_create(*, membership: Membership, name: str, room: Room | None) -> Device:
    """A device that nobody can be yet: it needs a token. Raises Invalid, NotAllowed, Conflict."""
    need(membership, Permission.DEVICES_MANAGE)
    if not name.strip():
        raise Invalid("Give the device a name.")
    name_need(name)
    with transaction.atomic():
        room_hold(room)
        device = Device.objects.create(
            household=membership.household,
            kind=DeviceKind.FOREIGN,
            room=room,
            name=name.strip()[:80],
            model=MODEL,
            is_auto_answer=True,
            claimed_by=membership.user,
            claimed_at=now(),
        )
        DevicePresence.objects.create(device=device)
        details = {"actor": membership.user, "device": device, "room": room}
        audit_note(membership.household, AuditKind.CLAIMED, **details)
    return device


def device_token_renew(*, device: Device, actor: User | None = None) -> tuple[DeviceToken, str]:
    """The row and the token itself, which is shown once and never again. The one before lets nobody in any more.

    Raises Conflict for a device with a key of its own.
    """
    if not device.is_foreign:
        raise Conflict("This device is known by its key. It needs no token.")
    with transaction.atomic():
        Device.objects.select_for_update().get(pk=device.pk)
        device_tokens_revoke(device=device)
        device_locked_out.send(sender=Device, device=device)
        token = f"{_PREFIX}{secret_make(32)}"
        row = DeviceToken.objects.create(device=device, token_hash=secret_hash(token))
        who = {"actor": actor} if actor else {}
        audit_note(device.household, AuditKind.DEVICE_TOKEN_MADE, device=device, **who)
    return row, token


def device_tokens_revoke(*, device: Device) -> None:
    DeviceToken.objects.filter(device=device, revoked_at=None).update(revoked_at=now())


def device_token_open(token: str) -> DeviceToken:
    """The token, with its device. Raises NotSignedIn for a wrong or revoked one."""
    with scopes_disabled():
        row = (
            DeviceToken.objects.select_related("device__household", "device__presence")
            .filter(token_hash=secret_hash(token), revoked_at=None, device__revoked_at=None)
            .first()
        )
        if row is None:
            raise NotSignedIn(_REFUSED)
        DeviceToken.objects.filter(pk=row.pk).update(last_used_at=now())
        return row


def device_token_hold(token: DeviceToken) -> None:
    """Nobody takes it back before the transaction ends. Raises NotSignedIn where somebody did a moment ago.

    It is the row of the device that is held: whoever makes another token, or removes the device, holds that first.
    """
    Device.objects.select_for_update().filter(pk=token.device.pk).first()
    if not DeviceToken.objects.filter(pk=token.pk, revoked_at=None).exists():
        raise NotSignedIn(_REFUSED)
