"""Who may do what with one device: its own rule, else the rule of its room, else the role; or a loan.

A guest has what was lent, and nothing else: no rule lets a guest in.
"""

from datetime import datetime

from django.db.models import Case, Exists, Min, OuterRef, Q, QuerySet, Value, When

from common.clock import now
from common.errors import NotAllowed
from devices.models import AccessRule, Device, DeviceKind, Loan
from households.access import role_refusal
from households.models import Membership
from households.roles import DEVICE_RIGHTS, Permission, allows

_NOBODY = Q(pk=None)
LENT_BY = {
    Permission.CALL: "can_talk",
    Permission.DROP_IN: "can_listen",
    Permission.ANNOUNCE: "can_announce",
}
_REFUSALS = {
    Permission.CALL: "You may not call {device}. An owner of this home can allow it.",
    Permission.DROP_IN: "You may not listen into {device}. An owner of this home can allow it.",
    Permission.RECORDINGS_HEAR: "You may not hear recordings of {device}. An owner of this home can allow it.",
    Permission.ANNOUNCE: "You may not announce on {device}. An owner of this home can allow it.",
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


def loans_to_come(membership: Membership) -> QuerySet[Loan]:
    """What is lent to this member from later on: the next first."""
    loans = Loan.objects.filter(household=membership.household, member=membership, ended_at=None)
    to_come = loans.filter(starts_at__gt=now(), device__revoked_at=None)
    return to_come.select_related("device").order_by("starts_at", "ends_at")


def devices_visible(membership: Membership) -> QuerySet[Device]:
    """Claimed devices of the household that this member may know of: all, or what is lent to them."""
    devices = Device.objects.filter(household=membership.household, revoked_at=None)
    if allows(membership.role, Permission.DEVICES_SEE):
        return devices
    return devices.filter(Exists(loans_running(membership).filter(device=OuterRef("pk"))))


def devices_with(membership: Membership, right: Permission, *others: Permission) -> QuerySet[Device]:
    """Those of the visible devices with which this member may do it, or all of these. Each one of DEVICE_RIGHTS."""
    basis = _Basis(membership)
    return devices_visible(membership).filter(*(basis.may(one) for one in (right, *others)))


def devices_ever_with(membership: Membership, right: Permission) -> QuerySet[Device]:
    """The same, with those that were removed: what was said with them is still here."""
    return Device.objects.filter(_Basis(membership).may(right), household=membership.household)


def rights_annotate(devices: QuerySet[Device], membership: Membership) -> QuerySet[Device]:
    """Each with `may_call`, `may_drop_in`, `may_recordings_hear`, `may_announce`: as many queries for any number."""
    basis = _Basis(membership)
    flags = {
        f"may_{right.value}": Case(When(basis.may(right), then=Value(True)), default=Value(False))
        for right in DEVICE_RIGHTS
    }
    return devices.annotate(**flags)


def device_rings(device: Device) -> bool:
    """Whether somebody at the device has to answer this member. Of a row that went through rights_annotate()."""
    return not device.is_foreign and not (device.is_auto_answer and has_right(device, Permission.DROP_IN))


def device_allows(membership: Membership, device: Device, right: Permission, *others: Permission) -> bool:
    return devices_with(membership, right, *others).filter(pk=device.pk).exists()


def rights_own(membership: Membership, device: Device) -> frozenset[Permission]:
    """The same without what is only lent to them: that much they may lend."""
    devices, basis = devices_visible(membership).filter(pk=device.pk), _Basis(membership)
    return frozenset(right for right in LENT_BY if devices.filter(basis.unlent(right)).exists())


def rights_without(member: Membership, loan: Loan) -> frozenset[Permission]:
    """What may be lent, and they may do with its device once this loan of theirs is over."""
    others = loans_running(member).filter(device=loan.device).exclude(pk=loan.pk)
    lent = {right for one in others for right, given in LENT_BY.items() if getattr(one, given)}
    return rights_own(member, loan.device) | lent


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
        raise role_refusal(membership)


def right_refusal(device: Device, right: Permission) -> NotAllowed:
    return NotAllowed(_REFUSALS[right].format(device=device.name))


def loan_end_next(membership: Membership, device: Device | None = None) -> datetime | None:
    """When the next loan of this device, or of any, to the member runs out, and with it perhaps a right."""
    loans = loans_running(membership)
    if device is not None:
        loans = loans.filter(device=device)
    ends_at: datetime | None = loans.aggregate(first=Min("ends_at"))["first"]
    return ends_at


class _Basis:
    """What settles a member's rights, read in two queries: the household's rules, and what is lent to the member.

    A household has few rules. Sets of them make conditions that cost a fifth of what subqueries in each condition do.
    """

    def __init__(self, membership: Membership) -> None:
        self._role, self._sees = membership.role, allows(membership.role, Permission.DEVICES_SEE)
        names = AccessRule.members.through.objects.filter(accessrule=OuterRef("pk"), membership=membership)
        rules = AccessRule.objects.filter(household=membership.household).annotate(names=Exists(names))
        self._rules = list(rules) if self._sees else []
        self._loans = list(loans_running(membership))

    def may(self, right: Permission) -> Q:
        """Of devices of the member's own household."""
        may = self.unlent(right) | self._lent(right)
        if right is Permission.CALL:  # what cannot ring is in the call at once
            may &= ~Q(kind=DeviceKind.FOREIGN) | self.may(Permission.DROP_IN)
        return may

    def unlent(self, right: Permission) -> Q:
        """The same without what is only lent."""
        if not self._sees:
            return _NOBODY
        devices, rooms = self._ruled("device_id", right), self._ruled("room_id", right)
        is_ruled, is_in_ruled = Q(pk__in=list(devices)), Q(room__in=list(rooms))
        may = Q(pk__in=[pk for pk, is_named in devices.items() if is_named])
        may |= ~is_ruled & Q(room__in=[pk for pk, is_named in rooms.items() if is_named])
        if allows(self._role, right):
            may |= ~is_ruled & ~is_in_ruled
        return may

    def _lent(self, right: Permission) -> Q:
        if right not in LENT_BY:
            return _NOBODY
        return Q(pk__in=[loan.device_id for loan in self._loans if getattr(loan, LENT_BY[right])])

    def _ruled(self, of: str, right: Permission) -> dict[int, bool]:
        """Key of the device or room -> whether its rule names the member."""
        return {
            getattr(rule, of): rule.names for rule in self._rules if rule.right == right and getattr(rule, of)
        }
