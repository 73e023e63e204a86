"""From an id from outside to a call that this person or device may touch."""

from uuid import UUID

from calls.models import Call, CallParticipant
from calls.selectors import calls_visible
from common.errors import NotFound
from devices.models import Device
from devices.sharing.rights import right_refusal
from households.models import Membership
from households.roles import Permission


def access_call(*, membership: Membership, public_id: UUID | str, need: Permission) -> Call:
    """Raises NotFound, NotAllowed. Needs the household's scope. `need`: CALLS_SEE or RECORDINGS_HEAR."""
    calls = calls_visible(membership).select_related("household", "device", "started_by")
    call = calls.filter(public_id=public_id).first()
    if call is None:
        raise NotFound("There is no such call.")
    if need is Permission.RECORDINGS_HEAR and not call.may_hear:  # type: ignore[attr-defined]  # calls_visible() has it
        raise right_refusal(call.device, need)
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
