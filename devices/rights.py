"""Who may do what with one device: its own rule, else the rule of its room, else the role; or a loan."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from common.clock import now
from common.errors import NotAllowed
from devices.models import AccessRule, Device, Loan
from households.models import Membership
from households.roles import DEVICE_RIGHTS, Permission, allows

_LENT_BY = {
    Permission.CALL: "can_talk",
    Permission.DROP_IN: "can_listen",
    Permission.ANNOUNCE: "can_announce",
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
    rules = AccessRule.objects.filter(household=membership.household, right=right)
    of_device, of_room = rules.filter(device=OuterRef("pk")), rules.filter(room=OuterRef("room_id"))
    own, room = Exists(of_device), Exists(of_room)
    named = Q(own, Exists(of_device.filter(members=membership)))
    named_by_room = Q(~own, room, Exists(of_room.filter(members=membership)))
    may = named | named_by_room
    if allows(membership.role, right):
        may |= Q(~own, ~room)
    if right in _LENT_BY:
        lent = loans_running(membership).filter(device=OuterRef("pk"), **{_LENT_BY[right]: True})
        may |= Q(Exists(lent))
    return devices_visible(membership).filter(may)


def device_allows(membership: Membership, device: Device, right: Permission) -> bool:
    return devices_with(membership, right).filter(pk=device.pk).exists()


def device_rights(membership: Membership, device: Device) -> frozenset[Permission]:
    """All that this member may do with it."""
    return frozenset(right for right in DEVICE_RIGHTS if device_allows(membership, device, right))


def need_right(membership: Membership, device: Device, right: Permission) -> None:
    """Raises NotAllowed."""
    if not device_allows(membership, device, right):
        raise NotAllowed(_REFUSALS[right].format(device=device.name))


_REFUSALS = {
    Permission.CALL: "You may not call {device}. An owner of this household can allow it.",
    Permission.DROP_IN: "You may not listen into {device}. An owner of this household can allow it.",
    Permission.RECORDINGS_HEAR: "You may not hear recordings of {device}. An owner of this household can allow it.",
    Permission.ANNOUNCE: "You may not announce on {device}. An owner of this household can allow it.",
}
