"""From an id from outside to a device or room that this member may use. Somebody else's looks like absent.

What was theirs says what became of it.
"""

from uuid import UUID

from common.errors import Gone, NotFound
from devices.models import Device, Room
from devices.past import device_past
from devices.sharing.rights import devices_visible, has_right, right_refusal, rights_annotate
from households.access import need as need_permission
from households.models import Membership
from households.roles import DEVICE_RIGHTS, Permission


def access_device(*, membership: Membership, public_id: UUID | str, need: Permission) -> Device:
    """With what the member may do with it, see rights_annotate(). Raises NotFound, NotAllowed. Needs the scope."""
    device = (
        rights_annotate(devices_visible(membership), membership)
        .select_related("household", "room", "presence")
        .filter(public_id=public_id)
        .first()
    )
    if device is None:
        past = device_past(membership=membership, public_id=public_id)
        raise Gone(past) if past else NotFound("There is no such device.")
    if need in DEVICE_RIGHTS:
        if not has_right(device, need):
            raise right_refusal(device, need)
    elif need is not Permission.DEVICES_SEE:  # whoever has it lent sees it, too
        need_permission(membership, need)
    return device


def access_device_past(*, membership: Membership, public_id: UUID | str) -> Device:
    """Also one that left; of one that was added again the newer row, which speaks for both. Raises NotFound."""
    devices = Device.objects.filter(household=membership.household).select_related(
        "room", "replaced_by__room"
    )
    device = devices.filter(public_id=public_id).first()
    if device is None:
        raise NotFound("There is no such device.")
    return device.replaced_by or device


def access_room(*, membership: Membership, public_id: UUID | str) -> Room:
    """Raises NotFound, NotAllowed: whoever has something of it lent sees that, and not the room."""
    need_permission(membership, Permission.DEVICES_SEE)
    room = Room.objects.filter(household=membership.household, public_id=public_id).first()
    if room is None:
        raise NotFound("There is no such room.")
    return room
