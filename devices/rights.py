"""Who may do what with one device: its own rule, else the rule of its room, else the role; or a loan.

A guest has what was lent, and nothing else: no rule lets a guest in.
"""

from datetime import datetime

from django.db.models import Case, Exists, Min, OuterRef, Q, QuerySet, Value, When

from common.clock import now
from common.errors import NotAllowed
from devices.models import AccessRule, Device, DeviceKind, Loan
from households.models import Membership
from households.roles import DEVICE_RIGHTS, Permission, allows

_NOBODY = Q(pk=None)
LENT_BY = {
    Permission.CALL: "can_talk",
    Permission.DROP_IN: "can_listen",
    Permission.ANNOUNCE: "can_announce",
}
_REFUSALS = {
    Permission.CALL: "You may not call {device}. An owner of this household can allow it.",
    Permission.DROP_IN: "You may not listen into {device}. An owner of this household can allow it.",
    Permission.RECORDINGS_HEAR: "You may not hear recordings of {device}. An owner of this household can allow it.",
    Permission.ANNOUNCE: "You may not announce on {device}. An owner of this household can allow it.",
}


def loans_running(membership: Membership) -> QuerySet[Loan]:
    """What is lent to this member now."""
    moment = now()
    return Loan.objects.filter(
        household=membership.household,
        member=membership,
        ended_at=None,
        starts_at__lte=moment,
        ends_at__gt=moment,
    )


def devices_visible(membership: Membership) -> QuerySet[Device]:
    """Claimed devices of the household that this member may know of: all, or what is lent to them."""
    devices = Device.objects.filter(household=membership.household, revoked_at=None)
    if allows(membership.role, Permission.DEVICES_SEE):
        return devices
    return devices.filter(Exists(loans_running(membership).filter(device=OuterRef("pk"))))


def devices_with(membership: Membership, right: Permission) -> QuerySet[Device]:
    """Those of the visible devices with which this member may do it. `right`: one of DEVICE_RIGHTS."""
    return devices_visible(membership).filter(_may(membership, right))


def devices_ever_with(membership: Membership, right: Permission) -> QuerySet[Device]:
    """The same, with those that were removed: what was said with them is still here."""
    return Device.objects.filter(_may(membership, right), household=membership.household)


def rights_annotate(devices: QuerySet[Device], membership: Membership) -> QuerySet[Device]:
    """Each with `may_call`, `may_drop_in`, `may_recordings_hear`, `may_announce`: one query for a whole page."""
    flags = {
        f"may_{right.value}": Case(When(_may(membership, right), then=Value(True)), default=Value(False))
        for right in DEVICE_RIGHTS
    }
    return devices.annotate(**flags)


def device_rings(device: Device) -> bool:
    """Whether somebody at the device has to answer this member. Of a row that went through rights_annotate()."""
    return not device.is_foreign and not (device.is_auto_answer and has_right(device, Permission.DROP_IN))


def device_allows(membership: Membership, device: Device, right: Permission) -> bool:
    return devices_with(membership, right).filter(pk=device.pk).exists()


def device_rights(membership: Membership, device: Device) -> frozenset[Permission]:
    """All that this member may do with it."""
    row = rights_annotate(devices_visible(membership), membership).filter(pk=device.pk).first()
    return frozenset(right for right in DEVICE_RIGHTS if row is not None and has_right(row, right))


def rights_own(membership: Membership, device: Device) -> frozenset[Permission]:
    """The same without what is only lent to them: that much they may lend."""
    devices = devices_visible(membership).filter(pk=device.pk)
    return frozenset(right for right in LENT_BY if devices.filter(_may_unlent(membership, right)).exists())


def has_right(device: Device, right: Permission) -> bool:
    """Of a row that went through rights_annotate()."""
    return bool(getattr(device, f"may_{right.value}"))


def need_right(membership: Membership, device: Device, right: Permission) -> None:
    """Raises NotAllowed."""
    if not device_allows(membership, device, right):
        raise right_refusal(device, right)


def need_right_somewhere(membership: Membership, right: Permission) -> None:
    """For pages on which a device is chosen. Raises NotAllowed where neither the role nor any loan gives it."""
    if not allows(membership.role, right) and not devices_with(membership, right).exists():
        raise NotAllowed("Your role in this household does not allow that.")


def right_refusal(device: Device, right: Permission) -> NotAllowed:
    return NotAllowed(_REFUSALS[right].format(device=device.name))


def loan_end_next(membership: Membership, device: Device) -> datetime | None:
    """When the next loan of this device to the member runs out, and with it perhaps a right."""
    loans = loans_running(membership).filter(device=device)
    ends_at: datetime | None = loans.aggregate(first=Min("ends_at"))["first"]
    return ends_at


def _may(membership: Membership, right: Permission) -> Q:
    """Of devices of the member's own household."""
    may = _may_unlent(membership, right) | _may_lent(membership, right)
    if right is Permission.CALL:  # what cannot ring is in the call at once
        may &= ~Q(kind=DeviceKind.FOREIGN) | _may(membership, Permission.DROP_IN)
    return may


def _may_lent(membership: Membership, right: Permission) -> Q:
    if right not in LENT_BY:
        return _NOBODY
    return Q(Exists(loans_running(membership).filter(device=OuterRef("pk"), **{LENT_BY[right]: True})))


def _may_unlent(membership: Membership, right: Permission) -> Q:
    if not allows(membership.role, Permission.DEVICES_SEE):
        return _NOBODY
    rules = AccessRule.objects.filter(household=membership.household, right=right)
    of_device, of_room = rules.filter(device=OuterRef("pk")), rules.filter(room=OuterRef("room_id"))
    own, room = Exists(of_device), Exists(of_room)
    may = Q(own, Exists(of_device.filter(members=membership)))
    may |= Q(~own, room, Exists(of_room.filter(members=membership)))
    if allows(membership.role, right):
        may |= Q(~own, ~room)
    return may
