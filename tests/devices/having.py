"""What somebody may do with a device, all at once."""

from devices.models import Device
from devices.sharing.rights import device_allows, devices_visible, has_right, rights_annotate
from households.models import Membership
from households.roles import DEVICE_RIGHTS, Permission


def rights_of(membership: Membership, device: Device) -> frozenset[Permission]:
    """As a page shows it and as a deed is let through, which is the same. Needs the scope."""
    row = rights_annotate(devices_visible(membership), membership).filter(pk=device.pk).first()
    shown = frozenset(right for right in DEVICE_RIGHTS if row is not None and has_right(row, right))
    assert shown == {right for right in DEVICE_RIGHTS if device_allows(membership, device, right)}
    return shown
