"""Rules of a room or a device: these members, and nobody else, whatever the roles say. Set by owners alone.

An adult who could set them would let themselves into a teenager's room.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from common.errors import Invalid, NotAllowed
from devices.models import AccessRule, Device, Room
from households.access import members_hold, need
from households.audit import AuditKind, audit_note
from households.events import rights_changed
from households.models import Membership
from households.roles import DEVICE_RIGHTS, Permission, Role, allows

RIGHT_WORDS: dict[Permission, str] = {
    Permission.CALL: "call",
    Permission.DROP_IN: "listen into",
    Permission.RECORDINGS_HEAR: "hear recordings of",
    Permission.ANNOUNCE: "announce on",
}
_PLURALS = {Role.OWNER: "owners", Role.ADULT: "adults", Role.CHILD: "children"}
_NOBODY = "Choose at least one person who may {right} it, or “As usual”."


@dataclass(frozen=True)
class RightChoice:
    """One of the four rights in one place. `named` None: as usual, and `usual` says what that is."""

    right: Permission
    usual: str
    named: frozenset[int] | None
    is_left_out: bool  # the member who looks at it is not named

    @property
    def words(self) -> str:
        return RIGHT_WORDS[self.right]


def choices_of(place: Device | Room, membership: Membership) -> list[RightChoice]:
    own = _named_in(place)
    above = _named_in(place.room) if isinstance(place, Device) and place.room else {}
    names = {member.pk: member.user.name for member in members_to_name(membership)}
    return [
        RightChoice(
            right=right,
            usual=_usual(right, place, above.get(right), names),
            named=own.get(right),
            is_left_out=right in own and membership.pk not in own[right],
        )
        for right in DEVICE_RIGHTS
    ]


def members_to_name(membership: Membership) -> list[Membership]:
    """Those whom a rule can let in: a guest has what was lent, and nothing else."""
    members = Membership.objects.filter(household=membership.household).exclude(role=Role.GUEST)
    return list(members.select_related("user").order_by("created_at"))


def rules_save(
    *,
    membership: Membership,
    place: Device | Room,
    named: Mapping[Permission, Collection[Membership] | None],
) -> bool:
    """All four together; None: as usual. Returns whether anything is another thing now.

    Raises NotAllowed, Invalid, and NotFound for somebody who was removed meanwhile.
    """
    for right, members in named.items():
        if members is not None and not members:
            raise Invalid(_NOBODY.format(right=RIGHT_WORDS[right]))
    with transaction.atomic():
        members_hold(membership, *{member for members in named.values() for member in members or ()})
        need(membership, Permission.HOUSEHOLD_MANAGE)
        before = _named_in(place)
        changed = [right for right in DEVICE_RIGHTS if _keys(named.get(right)) != before.get(right)]
        for right in changed:
            _rule_save(place, right, named.get(right))
        if changed:
            rights_changed.send(sender=AccessRule, household=membership.household, user=None)
        where = str(place) if isinstance(place, Device) else f"what stands in {place}"
        for right in changed:
            details = {"actor": membership.user, "right": RIGHT_WORDS[right], "where": where}
            audit_note(membership.household, AuditKind.RULE_CHANGED, **details)
    return bool(changed)


def need_move(membership: Membership, device: Device, room: Room | None) -> None:
    """To another room means under other rules. Raises NotAllowed for whoever may not set any."""
    places = [place for place in (device.room, room) if place is not None]
    is_moved = device.room_id != (room.pk if room else None)
    if allows(membership.role, Permission.HOUSEHOLD_MANAGE) or not is_moved:
        return
    if rule := AccessRule.objects.filter(room__in=places).select_related("room").first():
        raise NotAllowed(
            f"{rule.room} has rules of its own, so only an owner can move a device there, or away."
        )


def rules_keep(*, membership: Membership, old: Device, device: Device) -> None:
    """It was reset and added again: whoever can do that cannot change who may do what. Raises NotAllowed."""
    need_move(membership, old, device.room)
    AccessRule.objects.filter(device=old).update(device=device)


def need_give(membership: Membership, device: Device) -> None:
    """In another home it is under no rule of this one. Raises NotAllowed for whoever may not set any."""
    need(membership, Permission.DEVICES_MANAGE)
    rules = AccessRule.objects.filter(Q(device=device) | Q(room__devices=device))
    if not allows(membership.role, Permission.HOUSEHOLD_MANAGE) and rules.exists():
        raise NotAllowed(f"There are rules for {device}, so only an owner can give it away.")


def _rule_save(place: Device | Room, right: Permission, members: Collection[Membership] | None) -> None:
    if members is None:
        AccessRule.objects.filter(right=right, **_where(place)).delete()
        return
    rule = AccessRule.objects.filter(right=right, **_where(place)).first()
    rule = rule or AccessRule.objects.create(household=place.household, right=right, **_where(place))
    rule.members.set(members)


def _named_in(place: Device | Room) -> dict[Permission, frozenset[int]]:
    rules = AccessRule.objects.filter(**_where(place)).prefetch_related("members")
    return {Permission(rule.right): frozenset(m.pk for m in rule.members.all()) for rule in rules}


def _where(place: Device | Room) -> dict[str, Device | Room]:
    return {"device": place} if isinstance(place, Device) else {"room": place}


def _keys(members: Collection[Membership] | None) -> frozenset[int] | None:
    return None if members is None else frozenset(member.pk for member in members)


def _usual(
    right: Permission, place: Device | Room, above: frozenset[int] | None, names: Mapping[int, str]
) -> str:
    if above is not None and isinstance(place, Device):
        people = _and([name for key, name in names.items() if key in above]) or "nobody"
        return f"As in {place.room} (only {people})"
    roles = [noun for role, noun in _PLURALS.items() if allows(role, right)]
    return f"As usual ({_and(roles)})"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
