"""A claimed device that comes with a new key: it was reset, its memory was exchanged, or somebody copies its name.

Model and serial are what the device says of itself, so they prove nothing and change nothing: they only make the hub
ask. The row of the claimed device is touched by a member of its own household alone.
"""

from uuid import UUID

from django_scopes import scopes_disabled

from common.clock import now
from common.errors import Conflict
from devices.models import Device, DeviceAuthorization
from devices.services import REMOVED, device_revoke
from households.models import Household

ELSEWHERE = "This device belongs to another home."


class KeyChanged(Conflict):
    """`known`: the claimed device of this household that the waiting one says it is."""

    def __init__(self, known: Device) -> None:
        super().__init__(
            f"This is {known.name}, with a new key. Let it go first, then it can be added again.",
        )
        self.known = known


def device_known(*, household: Household, authorization: DeviceAuthorization) -> Device | None:
    """What this household knows the waiting device as. Raises Conflict where only another one knows it.

    Whoever has it keeps it: nobody keeps them from adding it again by saying the same serial number elsewhere.
    """
    serial, model = authorization.serial.strip(), authorization.model.strip()
    if not serial:
        return None
    with scopes_disabled():
        claimed = Device.objects.select_related("household", "room", "presence").filter(
            serial__iexact=serial, model__iexact=model, revoked_at=None
        )
        found = list(claimed.order_by("-claimed_at"))
    own = [device for device in found if device.household_id == household.pk]
    if found and not own:
        raise Conflict(f"{ELSEWHERE} Its owner has to remove it there first.")
    return own[0] if own else None


def device_let_go(
    *, household: Household, authorization: DeviceAuthorization, lets_go: UUID | None
) -> Device | None:
    """Remove what the waiting device was known as, if that is what somebody agreed to. Raises Conflict, KeyChanged.

    Needs a transaction; whoever calls it notes the removal.
    """
    known = device_known(household=household, authorization=authorization)
    if known is None:
        return None
    if known.public_id != lets_go:
        raise KeyChanged(known)
    device_revoke(device=known, parting=REMOVED, at=now())
    return known
