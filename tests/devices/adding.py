"""A device that was reset, and is added again."""

from django_scopes import scope

from devices.claiming.authorization import authorization_start
from devices.claiming.confirmation import authorization_confirm, authorization_find
from devices.models import Device, Room
from households.models import Membership
from protocol.enrollment import AuthorizationRequest
from tests.plugin_cast import Cast, csr_make


def added_again(cast: Cast, old: Device, by: Membership, room: Room | None = None) -> Device:
    """Another key, the same model and serial number, in one step."""
    request = AuthorizationRequest(csr_pem=csr_make(), model=old.model, serial=old.serial)
    codes = authorization_start(request=request, base_url="http://hub")
    with scope(household=cast.anna.household):
        return authorization_confirm(
            membership=by,
            authorization=authorization_find(membership=by, user_code=codes.user_code),
            name=old.name,
            room=room or old.room,
            is_auto_answer=True,
            lets_go=old.public_id,
        )
