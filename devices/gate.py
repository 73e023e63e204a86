"""The first gate: who may come to an address, or say a message, at all. Objects are looked at behind it.

The rows stand in config/access_table.py and signaling/access_table.py.
"""

from dataclasses import dataclass
from enum import StrEnum

from devices.sharing.rights import devices_visible, devices_with
from households.models import Membership
from households.roles import Permission, allows


class Who(StrEnum):
    """Those who are known otherwise than by a role."""

    EVERYBODY = "everybody"
    PERSON = "everybody who is signed in"  # also who belongs to no household yet, or any more
    MEMBER = "every member"
    OWN = "every member, for what is their own"  # such as their end of a call
    DEVICE = "a claimed device, for what is its own"
    TOKEN = "the device that the token was made for"  # noqa: S105 - words
    OPERATOR = "programs on this machine, or with the hub's token"


@dataclass(frozen=True)
class OfDevice:
    """Whoever has the permission over at least one device: by the role, by a rule, or by a loan."""

    right: Permission


Row = Who | Permission | OfDevice
_MEMBERS = (Who.EVERYBODY, Who.PERSON, Who.MEMBER, Who.OWN)


def member_passes(membership: Membership, row: Row) -> bool:
    """Needs the household's scope. Asks the database only where the role alone does not say yes."""
    if isinstance(row, Who):
        return row in _MEMBERS
    if isinstance(row, Permission):
        return allows(membership.role, row)
    if allows(membership.role, row.right):
        return True
    if row.right is Permission.DEVICES_SEE:
        return devices_visible(membership).exists()
    return devices_with(membership, row.right).exists()
