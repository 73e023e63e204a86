"""From an id from outside to a call that this person or device may touch."""

from uuid import UUID

from calls.models import Call, CallParticipant
from common.errors import NotFound
from devices.models import Device
from households.access import need as need_permission
from households.models import Membership
from households.roles import Permission


def access_call(*, membership: Membership, public_id: UUID | str, need: Permission) -> Call:
    """Raises NotFound, NotAllowed. Needs the household's scope."""
    call = (
        Call.objects.select_related("household", "device", "started_by")
        .filter(household=membership.household, public_id=public_id)
        .first()
    )
    if call is None:
        raise NotFound("There is no such call.")
    need_permission(membership, need)
    return call


def access_user_leg(*, membership: Membership, call_id: UUID) -> CallParticipant:
    """The member's own end of a call. Raises NotFound."""
    return _leg(call_id, household=membership.household, user=membership.user)


def access_device_leg(*, device: Device, call_id: UUID) -> CallParticipant:
    """The device's own end of a call. Raises NotFound."""
    return _leg(call_id, household=device.household, device=device)


def _leg(call_id: UUID, **whose: object) -> CallParticipant:
    leg = (
        CallParticipant.objects.select_related("call__device", "call__household", "call__started_by")
        .filter(call__public_id=call_id, **whose)
        .first()
    )
    if leg is None:
        raise NotFound("There is no such call.")
    return leg
