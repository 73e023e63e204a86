"""Who is there. One socket holds a device's presence; a newer socket takes it over."""

from datetime import timedelta

from django.conf import settings
from django_scopes import scope

from common.clock import now
from common.push import push_people_on_commit
from devices.events import device_arrived
from devices.models import Device, DevicePresence
from devices.selectors import guests_of
from devices.sharing.rights import devices_visible
from households.models import Membership
from protocol.messages.household import Presence


def presence_connect(*, device: Device, channel_name: str, agent_version: str) -> None:
    # Of two sockets at once one is the first.
    rows = DevicePresence.objects.filter(device=device)
    is_first = bool(rows.filter(last_seen_at=None).update(last_seen_at=now()))
    rows.update(is_online=True, channel_name=channel_name, agent_version=agent_version, last_seen_at=now())
    _tell(device, is_online=True)
    if is_first:
        device_arrived.send(sender=Device, device=device)


def presence_touch(*, device: Device, channel_name: str) -> bool:
    """A heartbeat. False: another socket has the presence, the sweep gave this one up, or the device was removed."""
    rows = DevicePresence.objects.filter(
        device=device, device__revoked_at=None, channel_name=channel_name, is_online=True
    )
    return bool(rows.update(last_seen_at=now()))


def presence_disconnect(*, device: Device, channel_name: str) -> None:
    """Only the socket that holds the presence may end it."""
    rows = DevicePresence.objects.filter(device=device, channel_name=channel_name)
    if rows.update(is_online=False, channel_name="", last_seen_at=now()):
        _tell(device, is_online=False)


def presence_list(membership: Membership) -> list[Presence]:
    """Of every device that the member may know of, as it is now."""
    rows = DevicePresence.objects.filter(device__in=devices_visible(membership))
    return [
        Presence(device_id=row.device.public_id, is_online=row.is_online, last_seen_at=row.last_seen_at)
        for row in rows.select_related("device")
    ]


def presence_end(*, device: Device) -> None:
    """Whoever holds it: the device was removed."""
    DevicePresence.objects.filter(device=device).update(is_online=False, channel_name="")
    _tell(device, is_online=False)


def presence_sweep() -> int:
    """Devices that have been silent for too long are offline. Returns how many."""
    limit = now() - timedelta(seconds=settings.DEVICE_SILENCE_S)
    silent = DevicePresence.objects.filter(is_online=True, last_seen_at__lt=limit).select_related(
        "device__household"
    )
    count = 0
    for presence in silent:
        with scope(household=presence.device.household):
            held = DevicePresence.objects.filter(pk=presence.pk, is_online=True, last_seen_at__lt=limit)
            if held.update(is_online=False, channel_name=""):
                _tell(presence.device, is_online=False)
                count += 1
    return count


def _tell(device: Device, *, is_online: bool) -> None:
    presence = Presence(device_id=device.public_id, is_online=is_online, last_seen_at=now())
    push_people_on_commit(device.household.public_id, guests_of(device), presence)
