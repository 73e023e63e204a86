"""From an id from outside to a device or room that this member may use. Somebody else's looks like absent."""

from uuid import UUID

from common.errors import NotFound
from devices.models import Device, Room
from households.access import need as need_permission
from households.models import Membership
from households.roles import Permission


def access_device(*, membership: Membership, public_id: UUID | str, need: Permission) -> Device:
    """Raises NotFound, NotAllowed. Needs the household's scope."""
    device = (
        Device.objects.select_related("household", "room", "presence")
        .filter(household=membership.household, public_id=public_id, revoked_at=None)
        .first()
    )
    if device is None:
        raise NotFound("There is no such device.")
    need_permission(membership, need)
    return device


def access_room(*, membership: Membership, public_id: UUID | str) -> Room:
    """Raises NotFound."""
    room = Room.objects.filter(household=membership.household, public_id=public_id).first()
    if room is None:
        raise NotFound("There is no such room.")
    return room
