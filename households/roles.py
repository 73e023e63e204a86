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
    CALLS_SEE = "calls_see"
    RECORDINGS_HEAR = "recordings_hear"
    ANNOUNCE = "announce"
    HOUSEHOLD_MANAGE = "household_manage"


_P = Permission
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADULT: frozenset(Permission) - {_P.HOUSEHOLD_MANAGE},
    Role.CHILD: frozenset({_P.DEVICES_SEE, _P.CALL, _P.ANNOUNCE}),
    Role.GUEST: frozenset(),
}


def allows(role: str, permission: Permission) -> bool:
    return permission in PERMISSIONS.get(Role(role), frozenset())
