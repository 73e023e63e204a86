"""Rules of a room or a device: these members, and nobody else, whatever the roles say. Set by owners alone.

An adult who could set them would let themselves into a teenager's room.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from common.errors import Invalid, NotAllowed, NotFound
from common.words import and_words
from devices.models import AccessRule, Device, Room
from households.access import members_hold, need
from households.events import rights_changed
from households.models import Household, Membership
from households.record.audit import AuditKind, audit_note
from households.roles import DEVICE_RIGHTS, Permission, Role, allows

RIGHT_WORDS: dict[Permission, str] = {
    Permission.CALL: "call",
    Permission.DROP_IN: "listen into",
    Permission.RECORDINGS_HEAR: "hear recordings of",
    Permission.ANNOUNCE: "announce on",
}
_PLURALS = {Role.OWNER: "owners", Role.ADULT: "adults", Role.CHILD: "children"}
GONE = "Somebody you chose is no longer here. Look again."
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
    rights = rights_of(place)
    above = _named_in(place.room) if isinstance(place, Device) and place.room else {}
    names = {member.pk: member.user.name for member in members_to_name(membership)}
    return [
        RightChoice(
            right=right,
            usual=_usual(right, place, above.get(right), names),
            named=own.get(right),
            is_left_out=right in own and membership.pk not in own[right],
        )
        for right in rights
    ]


def rights_of(place: Device | Room) -> tuple[Permission, ...]:
    """What there is a choice about: with a device that left, only what was said with it."""
    return (Permission.RECORDINGS_HEAR,) if isinstance(place, Device) and place.revoked_at else DEVICE_RIGHTS


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
    """Of what stands in `named`; None: as usual. Returns whether anything is another thing now.

    Of a device that was added again also for what was said with it before. Raises NotAllowed, Invalid, and NotFound for
    somebody or something that was removed meanwhile.
    """
    for right, members in named.items():
        if members is not None and not members:
            raise Invalid(_NOBODY.format(right=RIGHT_WORDS[right]))
    with transaction.atomic():
        chosen = {member for members in named.values() for member in members or ()}
        members_hold(membership, *chosen)
        need(membership, Permission.HOUSEHOLD_MANAGE)
        if any(member.role == Role.GUEST for member in chosen):
            raise Invalid(GONE)
        before, places = _named_in(place), _places(place)
        changed = [right for right in named if _keys(named[right]) != before.get(right)]
        for right, each in itertools.product(changed, places):
            _rule_save(each, right, named[right])
        if changed:
            rights_changed.send(sender=AccessRule, household=membership.household, user=None)
        where = str(place) if isinstance(place, Device) else f"what stands in {place}"
        for right in changed:
            details = {"actor": membership.user, "right": RIGHT_WORDS[right], "where": where}
            now = _now_words(place, right, named.get(right))
            audit_note(membership.household, AuditKind.RULE_CHANGED, **details, now=now)
    return bool(changed)


def _now_words(place: Device | Room, right: Permission, members: Collection[Membership] | None) -> str:
    """Whom a rule lets in that was just saved, by the names that they have now."""
    if members is not None:
        return _only(sorted(str(member.user) for member in members))
    room = place.room if isinstance(place, Device) else None
    usual = _usual(right, place, (_named_in(room) if room else {}).get(right), _names_in(place.household))
    return usual[0].lower() + usual[1:]


def rules_moved_words(device: Device, old: Room | None) -> str:
    """Who may do what that others might in the room where the device stood; "" where nothing is another thing."""
    own, names = _named_in(device), _names_in(device.household)
    before, after = (_named_in(room) if room else {} for room in (old, device.room))
    found = []
    for right in DEVICE_RIGHTS:
        if right not in own and before.get(right) != after.get(right):
            named = [name for key, name in names.items() if key in after.get(right, ())]
            who = _only(named) if right in after else _usual(right, device, None, names)
            found.append(f"who may {RIGHT_WORDS[right]} it: {who[0].lower() + who[1:]}")
    return "; ".join(found)


def _names_in(household: Household) -> dict[int, str]:
    members = Membership.objects.filter(household=household).select_related("user").order_by("created_at")
    return {member.pk: member.user.name for member in members}


def need_move(membership: Membership, device: Device, room: Room | None) -> None:
    """To another room means under other rules. Raises NotAllowed for whoever may not set any."""
    if device.room_id == (room.pk if room else None):
        return
    if closed := next((one for one in rooms_closed(membership) if one in (device.room, room)), None):
        raise NotAllowed(f"{closed} has rules of its own, so only an owner can move a device there, or away.")


def rooms_closed(membership: Membership) -> list[Room]:
    """Those to which, and out of which, this member moves nothing, by name: they have rules."""
    if allows(membership.role, Permission.HOUSEHOLD_MANAGE):
        return []
    rooms = Room.objects.filter(household=membership.household, rules__isnull=False)
    return list(rooms.distinct().order_by("name"))


def is_ruled(device: Device, right: Permission) -> bool:
    """By a rule of its own, or of its room."""
    return AccessRule.objects.filter(Q(device=device) | Q(room__devices=device), right=right).exists()


def rules_keep(*, membership: Membership, old: Device, device: Device) -> None:
    """It was reset and added again: whoever can do that cannot change who may do what. Raises NotAllowed.

    The old row keeps its rules, too, and goes along into the room: what was said with the device until now is there.
    """
    need_move(membership, old, device.room)
    Device.objects.filter(Q(pk=old.pk) | Q(replaced_by=old)).update(replaced_by=device, room=device.room)
    rules_copy(old, device)


def rules_copy(source: Device | Room, device: Device) -> None:
    """What the device has a rule of its own for stays as it is."""
    own = AccessRule.objects.filter(device=device).values_list("right", flat=True)
    for rule in AccessRule.objects.filter(**_where(source)).exclude(right__in=list(own)):
        copy = AccessRule.objects.create(household=device.household, device=device, right=rule.right)
        copy.members.set(rule.members.all())


def may_part(membership: Membership, device: Device) -> bool:
    """Whether it may go. Added again, or in another home, it is under no rule of this one: that is for an owner."""
    rules = AccessRule.objects.filter(Q(device=device) | Q(room__devices=device))
    return allows(membership.role, Permission.HOUSEHOLD_MANAGE) or not rules.exists()


def need_part(membership: Membership, device: Device, *, deed: str) -> None:
    """`deed`: such as "remove it". Raises NotAllowed."""
    need(membership, Permission.DEVICES_MANAGE)
    if not may_part(membership, device):
        raise NotAllowed(f"There are rules for {device}, so only an owner can {deed}.")


def has_rules(room: Room) -> bool:
    return AccessRule.objects.filter(room=room).exists()


def _places(place: Device | Room) -> list[Device | Room]:
    """With those that the device replaced. Raises NotFound for what was removed since the page was shown."""
    if isinstance(place, Room):
        rooms: list[Device | Room] = list(Room.objects.filter(pk=place.pk))
        if not rooms:
            raise NotFound("There is no such room.")
        return rooms
    devices: list[Device | Room] = list(Device.objects.filter(pk=place.pk, revoked_at=place.revoked_at))
    if not devices:
        raise NotFound("There is no such device.")
    return [*devices, *Device.objects.filter(replaced_by=place)]


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
        return f"As in {place.room} ({_only([name for key, name in names.items() if key in above])})"
    roles = [noun for role, noun in _PLURALS.items() if allows(role, right)]
    return f"As usual ({and_words(roles)})"


def _only(names: Sequence[str]) -> str:
    return f"only {and_words(names)}" if names else "nobody"
