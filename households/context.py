"""What every template knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from households.roles import PERMISSIONS, Role
from households.selectors import membership_list


def household(request: HttpRequest) -> dict[str, Any]:
    """`household`, `membership`, and `may` (the permissions of the member as a set of words), `homes` (the
    person's memberships)."""
    membership = getattr(request, "membership", None)
    may = {str(p) for p in PERMISSIONS[Role(membership.role)]} if membership else set()
    return {
        "household": membership.household if membership else None,
        "membership": membership,
        "may": may,
        "homes": SimpleLazyObject(lambda: list(membership_list(membership.user)) if membership else []),
        "hub_version": settings.HUB_VERSION,
        "has_window": settings.HAS_WINDOW,
    }
