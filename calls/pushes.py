"""To the pages that may know of a call."""

from calls.models import Call
from common.push import push_people_on_commit
from devices.selectors import guests_of
from protocol.base import Message


def call_push(call: Call, message: Message) -> None:
    """Every page of the household; of guests, those who called, or have the device lent."""
    guests = guests_of(call.device, caller_id=call.started_by_id)
    push_people_on_commit(call.household.public_id, guests, message)
