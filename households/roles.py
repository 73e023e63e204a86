"""Which role may do what. One table; what it does not name is not allowed."""

from django.db import models


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    ADULT = "adult", "Adult"
    CHILD = "child", "Child"
    GUEST = "guest", "Guest"


# In plain words, after a colon: "Adult: manages devices and hears recordings".
ROLE_WORDS: dict[Role, str] = {
    Role.OWNER: "manages everything, also the people",
    Role.ADULT: "manages devices and hears recordings",
    Role.CHILD: "calls and announces",
    Role.GUEST: "uses what is lent to them",
}
# In a sentence: "Anna made Ben a child."
ROLE_NOUNS: dict[Role, str] = {
    Role.OWNER: "an owner",
    Role.ADULT: "an adult",
    Role.CHILD: "a child",
    Role.GUEST: "a guest",
}

# To the person: "You call and announce."
ROLE_YOURS: dict[Role, str] = {
    Role.OWNER: "You manage everything, also the people.",
    Role.ADULT: "You manage devices and hear recordings.",
    Role.CHILD: "You call and announce.",
    Role.GUEST: "You see what is lent to you.",
}


class Permission(models.TextChoices):
    DEVICES_SEE = "devices_see"
    DEVICES_MANAGE = "devices_manage"
    CALL = "call"
    DROP_IN = "drop_in"  # be connected at once, where the device answers by itself
    CALLS_SEE = "calls_see"
    RECORDINGS_HEAR = "recordings_hear"
    ANNOUNCE = "announce"
    LEND = "lend"
    TOKENS_MAKE = "tokens_make"
    HOUSEHOLD_ADD = "household_add"  # one more home on this hub, of which they are the owner
    PEOPLE_SEE = "people_see"
    PEOPLE_MANAGE = "people_manage"
    AUDIT_READ = "audit_read"
    HOUSEHOLD_MANAGE = "household_manage"


# What a rule of a room or a device may settle otherwise than the role does; see devices.sharing.rights.
DEVICE_RIGHTS = (Permission.CALL, Permission.DROP_IN, Permission.RECORDINGS_HEAR, Permission.ANNOUNCE)

_P = Permission
_OWNERS_ALONE = {_P.PEOPLE_MANAGE, _P.AUDIT_READ, _P.HOUSEHOLD_MANAGE}
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADULT: frozenset(Permission) - _OWNERS_ALONE,
    Role.CHILD: frozenset({_P.DEVICES_SEE, _P.CALL, _P.DROP_IN, _P.ANNOUNCE, _P.TOKENS_MAKE, _P.PEOPLE_SEE}),
    Role.GUEST: frozenset(),  # what was lent, and nothing else
}


def allows(role: str, permission: Permission) -> bool:
    return permission in PERMISSIONS.get(Role(role), frozenset())
