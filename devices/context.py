"""What every template knows."""

from typing import Any

from django.http import HttpRequest
from django_scopes import scope

from devices.sharing.rights import devices_with
from households.roles import Permission, allows


def rights(request: HttpRequest) -> dict[str, Any]:
    """`announces_somewhere`: whether the member may announce at all. Asks the database for guests alone."""
    membership = getattr(request, "membership", None)

    def announces_somewhere() -> bool:
        if membership is None or allows(membership.role, Permission.ANNOUNCE):
            return membership is not None
        with scope(household=membership.household):
            return devices_with(membership, Permission.ANNOUNCE).exists()

    return {"announces_somewhere": announces_somewhere}
