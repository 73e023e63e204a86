"""Which role may do what. One table; what it does not name is not allowed."""

from django.db import models


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    ADULT = "adult", "Adult"
    CHILD = "child", "Child"
    GUEST = "guest", "Guest"


class Permission(models.TextChoices):
    DEVICES_SEE = "devices_see"
    DEVICES_MANAGE = "devices_manage"
    CALL = "call"
    DROP_IN = "drop_in"  # be connected at once, where the device answers by itself
    CALLS_SEE = "calls_see"
    RECORDINGS_HEAR = "recordings_hear"
    ANNOUNCE = "announce"
    LEND = "lend"
    PEOPLE_MANAGE = "people_manage"
    AUDIT_READ = "audit_read"
    HOUSEHOLD_MANAGE = "household_manage"


# What a rule of a room or a device may settle otherwise than the role does; see devices.rights.
DEVICE_RIGHTS = (Permission.CALL, Permission.DROP_IN, Permission.RECORDINGS_HEAR, Permission.ANNOUNCE)

_P = Permission
_OWNERS_ALONE = {_P.PEOPLE_MANAGE, _P.AUDIT_READ, _P.HOUSEHOLD_MANAGE}
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADULT: frozenset(Permission) - _OWNERS_ALONE,
    Role.CHILD: frozenset({_P.DEVICES_SEE, _P.CALL, _P.DROP_IN, _P.ANNOUNCE}),
    Role.GUEST: frozenset(),  # what was lent, and nothing else
}


def allows(role: str, permission: Permission) -> bool:
    return permission in PERMISSIONS.get(Role(role), frozenset())
