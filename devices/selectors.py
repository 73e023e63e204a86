"""Reads."""

import itertools
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, Max, OuterRef, Prefetch, Q, QuerySet, prefetch_related_objects

from common.clock import now
from devices.models import Device, DeviceCertificate, DeviceToken, Loan, Room
from devices.sharing.rights import devices_visible, loans_running, rights_annotate
from households.models import Household, Membership
from households.roles import Role
from protocol.messages.calls import CallState
from protocol.words import fingerprint_words


@dataclass(frozen=True)
class RoomCard:
    """A room and its devices. `room` None: devices that stand in no room."""

    room: Room | None
    devices: list[Device]


def device_list(household: Household) -> QuerySet[Device]:
    """The claimed devices, by room and name, each with its presence and `is_in_call`."""
    live = [state for state in CallState if state != CallState.ENDED]
    in_call = Device.objects.filter(pk=OuterRef("pk"), calls__state__in=live)
    return (
        Device.objects.filter(household=household, revoked_at=None)
        .select_related("room", "presence")
        .annotate(is_in_call=Exists(in_call))
        .order_by("room__name", "name")
    )


def device_list_for(membership: Membership) -> QuerySet[Device]:
    """Those that the member may know of, with what they may do (see rights_annotate) and their `loans_own`."""
    devices = rights_annotate(device_list(membership.household), membership)
    known = devices.filter(pk__in=devices_visible(membership).values("pk"))
    return known.prefetch_related(_loans_own(membership))


def loans_own_fetch(device: Device, membership: Membership) -> None:
    """Gives the device its `loans_own`: what of it is lent to the member now."""
    prefetch_related_objects([device], _loans_own(membership))


def _loans_own(membership: Membership) -> "Prefetch[str, QuerySet[Loan], str]":
    return Prefetch("loans", loans_running(membership).order_by("ends_at"), to_attr="loans_own")


def guests_of(device: Device, *, caller_id: int | None = None) -> list[UUID]:
    """Memberships of the guests who have the device lent now; and of the caller, who may be one that had it."""
    moment = now()
    lent = Q(
        loans__device=device,
        loans__ended_at=None,
        loans__starts_at__lte=moment,
        loans__ends_at__gt=moment,
    )
    concerned = lent | Q(user_id=caller_id) if caller_id else lent
    guests = Membership.objects.filter(concerned, household=device.household_id, role=Role.GUEST)
    return list(guests.values_list("public_id", flat=True).distinct())


def device_name_free(household: Household, name: str) -> str:
    """`name`, with a number where another device of the household has it already."""
    taken = {known.lower() for known in device_list(household).values_list("name", flat=True)}
    names = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
    return next(one for one in names if one.lower() not in taken)


def room_list(household: Household) -> QuerySet[Room]:
    return Room.objects.filter(household=household).order_by("name")


def room_cards(membership: Membership) -> list[RoomCard]:
    """Rooms with at least one device that the member may know of, then the devices without a room."""
    cards: dict[int | None, RoomCard] = {}
    for device in device_list_for(membership):
        card = cards.setdefault(device.room_id, RoomCard(device.room, []))
        card.devices.append(device)
    return sorted(cards.values(), key=lambda card: (card.room is None, card.room.name if card.room else ""))


def certificate_current(device: Device) -> DeviceCertificate | None:
    """The newest for the key that the device has now."""
    rows = DeviceCertificate.objects.filter(device=device, revoked_at=None)
    return rows.filter(fingerprint_sha256=device.fingerprint_sha256).order_by("-not_after").first()


@dataclass(frozen=True)
class KeyShown:
    """A device's key for people to compare: in words, and for experts its fingerprint in groups of four."""

    words: list[str]
    groups: list[str]


def key_shown(fingerprint_sha256: str) -> KeyShown | None:
    """None for a device that has no key: another maker's."""
    if not fingerprint_sha256:
        return None
    groups = [fingerprint_sha256[i : i + 4] for i in range(0, len(fingerprint_sha256), 4)]
    return KeyShown(fingerprint_words(fingerprint_sha256), groups)


def key_changed_at(device: Device) -> datetime | None:
    """When the device got the key that it has now; None: it is the one that was claimed."""
    if device.claim_epoch == 1:
        return None
    before = DeviceCertificate.objects.filter(device=device).exclude(
        fingerprint_sha256=device.fingerprint_sha256
    )
    changed_at: datetime | None = before.aggregate(at=Max("revoked_at"))["at"]
    return changed_at


def device_token_get(device: Device) -> DeviceToken | None:
    """What lets the device in; the token itself nobody knows any more."""
    return DeviceToken.objects.filter(device=device, revoked_at=None).first()


@dataclass(frozen=True)
class JoiningProgress:
    """How far a device that was just claimed is."""

    has_certificate: bool
    is_online: bool


def device_joining(device: Device) -> JoiningProgress:
    return JoiningProgress(certificate_current(device) is not None, device.presence.is_online)
