"""A call from the invitation to its end."""

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from protocol.base import Message, ShortText

# What an end or the worker says of a connection that it waited for in vain, or that was closed in order; the hub names
# the end in its place.
LOST_FOR_GOOD = "The connection was lost and did not come back."
HUNG_UP = "The other side hung up."


class CallState(StrEnum):
    CALLING = "calling"  # the device was asked
    RINGING = "ringing"  # the device says that it rings
    CONNECTING = "connecting"  # accepted; media is on its way
    CONNECTED = "connected"  # audio flows both ways
    ENDED = "ended"


class CallOutcome(StrEnum):
    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    CANCELLED = "cancelled"  # hung up before the answer, or before the sound was due
    BUSY = "busy"
    OFFLINE = "offline"
    FAILED = "failed"


class CallRole(StrEnum):
    """The ends of a call."""

    CALLER = "caller"
    CALLEE = "callee"


class CallEnd(Message):
    """To the hub: hang up. From the hub: it is over, and how.

    `ago_s` says to a hub that was away how long ago somebody hung up.
    """

    type: Literal["call_end"] = "call_end"
    call_id: UUID
    ago_s: float | None = Field(default=None, ge=0, le=86_400, allow_inf_nan=False)
    outcome: CallOutcome | None = None
    reason: ShortText | None = None
    duration_s: float | None = None


class CallAccept(Message):
    type: Literal["call_accept"] = "call_accept"
    call_id: UUID


class CallDecline(Message):
    type: Literal["call_decline"] = "call_decline"
    call_id: UUID
    reason: Literal["declined", "busy"] = "declined"


class CallInvite(Message):
    """The same `id` again within two minutes gets the same call: the answer may have been lost on its way."""

    type: Literal["call_invite"] = "call_invite"
    device_id: UUID


class CallRinging(Message):
    type: Literal["call_ringing"] = "call_ringing"
    call_id: UUID


class CallStateMessage(Message):
    """The call as the row has it now. Goes to everybody in it, and answers `call_invite`.

    `away` names the ends whose packets stopped and who are waited for: the others close their microphone until
    it is empty again, and an end that finds itself in it makes a new offer.
    """

    type: Literal["call_state"] = "call_state"
    call_id: UUID
    state: CallState
    device_id: UUID | None = None
    outcome: CallOutcome | None = None
    reason: str | None = None
    connected_at: datetime | None = None
    duration_s: float | None = None  # of a call that is over, as in `call_end`
    away: list[CallRole] | None = None
    caller_id: UUID | None = None  # the person who called, whose other pages lead to the call


class CallMoved(Message):
    """Make a new offer for this call now. `is_failure`: the hub itself failed, and nobody is heard until then."""

    type: Literal["call_moved"] = "call_moved"
    call_id: UUID
    is_failure: bool | None = None


class CallInvited(Message):
    """Somebody calls this device."""

    type: Literal["call_invite"] = "call_invite"
    call_id: UUID
    caller_name: str
    auto_answer: bool
