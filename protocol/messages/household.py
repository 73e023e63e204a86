"""What a household and its devices are now, and whether a device still belongs to one."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from protocol.base import Message, ShortText
from protocol.identity import Signature


class HouseholdChanged(Message):
    """A hint: names, rooms, people or rights are others now. Whoever shows them looks again."""

    type: Literal["household_changed"] = "household_changed"


class Presence(Message):
    type: Literal["presence"] = "presence"
    device_id: UUID
    is_online: bool
    last_seen_at: datetime | None = None


class DeviceSettings(Message):
    """What the household chose for this device. After every hello_ack, and when it changes; also in a call."""

    type: Literal["device_settings"] = "device_settings"
    echo_cancellation: bool  # with noise suppression and a high-pass filter
    device_name: ShortText | None = None


class Unclaimed(Message):
    """The device belongs to nobody now: forget certificate and household. Without a proof: do nothing."""

    type: Literal["unclaimed"] = "unclaimed"
    reason: str
    proof: Signature | None = None  # by the hub's CA, over protocol.identity.hub_text()
    transfer_code: str | None = None  # another home took it over: ask for authorization there with this


class Unknown(Message):
    """No row of this hub names the device, though its claim was here: the rows are of an older backup.

    An `error` follows. One word of it is no reason to forget anything: the right rows may come back.
    """

    type: Literal["unknown"] = "unknown"
    proof: Signature | None = None  # by the hub's CA, over protocol.identity.hub_text()
