"""How a call stands, told to both ends and to the pages that may know of it."""

from calls.models import Call, ParticipantRole
from calls.selectors import call_away_list
from common.push import group_device, push_on_commit, push_people_on_commit
from devices.selectors import guests_of
from protocol.base import Message
from protocol.messages.calls import CallOutcome, CallState, CallStateMessage


def call_push(call: Call, message: Message) -> None:
    """Every page of the household; of guests, those who called, or have the device lent."""
    guests = guests_of(call.device, caller_id=call.started_by_id)
    push_people_on_commit(call.household.public_id, guests, message)


def call_tell(call: Call, message: Message | None = None) -> None:
    """Everybody in the call, and every open page that may know of it, hears how it stands."""
    message = message or call_state_message(call)
    call_push(call, message)
    push_on_commit(group_device(call.device.public_id), message)


def call_state_message(call: Call, reply_to: str | None = None) -> CallStateMessage:
    return CallStateMessage(
        call_id=call.public_id,
        state=CallState(call.state),
        device_id=call.device.public_id,
        outcome=CallOutcome(call.outcome) if call.outcome else None,
        reason=call_reason(call) or None,
        connected_at=call.connected_at,
        duration_s=None if call.is_live else round(call.duration_s, 3),
        away=call_away_list(call) or None,
        caller_id=call.started_by.public_id if call.started_by else None,
        reply_to=reply_to,
    )


def call_reason(call: Call) -> str:
    """Why it ended, in words; "" where there is nothing to explain to the caller."""
    if call.connected_at and call.hung_up_by == ParticipantRole.CALLEE:
        return f"{call.device.name} hung up."
    return call.reason
