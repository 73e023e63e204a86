"""Commands from the hub to a media worker. They travel over the channel layer as JSON.

A *leg* is one peer connection. The legs of one call hear each other; a leg without a call hears only
what is spoken or played to it.
"""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from protocol.base import Message
from protocol.messages.connection import IceServer


class CandidateScope(StrEnum):
    """Which network addresses of the other end the worker may send to."""

    HOUSEHOLD = "household"  # also private ones
    RELAY = "relay"  # those of a relay only
    PUBLIC = "public"  # those of a relay or of a router, in the public internet: for guests


class LegOffer(Message):
    """Answer this offer. The same leg_id again means: a new peer connection in the place of the old one."""

    type: Literal["leg_offer"] = "leg_offer"
    leg_id: UUID
    call_id: UUID | None = None
    participant_id: UUID | None = None
    sdp: str
    ice_servers: list[IceServer]
    candidate_scope: CandidateScope = CandidateScope.HOUSEHOLD
    reply_channel: str  # the socket that asked
    request_id: str | None = None
    recording_name: str | None = None  # path under RECORDINGS_ROOT; None: do not record
    echo_cancellation: bool = False  # by the worker, for a device that cannot
    is_standing: bool = False  # waits outside of calls, and outlives those that it joins with `leg_join`


class LegJoin(Message):
    """A standing leg takes part in a call, until `call_close`."""

    type: Literal["leg_join"] = "leg_join"
    leg_id: UUID
    call_id: UUID
    participant_id: UUID
    recording_name: str | None = None  # as in `leg_offer`
    echo_cancellation: bool = False


class LegCandidate(Message):
    type: Literal["leg_candidate"] = "leg_candidate"
    leg_id: UUID
    candidate: str | None = None  # None ends the candidates, and is left out on the way
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None


class LegClose(Message):
    type: Literal["leg_close"] = "leg_close"
    leg_id: UUID
    reason: str = "closed"  # for the history of a call that ends with it


class CallClose(Message):
    """Close every leg of the call and finish its recordings. Not `is_over`: it goes on with another worker."""

    type: Literal["call_close"] = "call_close"
    call_id: UUID
    is_over: bool = True


class ToneStart(Message):
    type: Literal["tone_start"] = "tone_start"
    leg_id: UUID
    frequency_hz: int
    reply_channel: str
    request_id: str | None = None


class ToneStop(Message):
    type: Literal["tone_stop"] = "tone_stop"
    leg_id: UUID


class PlayClip(Message):
    """Play a finished clip (any format that FFmpeg reads) to the leg, or to every leg of its call."""

    type: Literal["play_clip"] = "play_clip"
    leg_id: UUID
    clip_path: str
    reply_channel: str
    request_id: str | None = None


class LegGain(Message):
    """How loud the others hear this leg from now on; 0 as it is."""

    type: Literal["leg_gain"] = "leg_gain"
    leg_id: UUID
    gain_db: float = Field(ge=-60, le=20)


class CaptureStart(Message):
    """Keep what the leg says, in a file of its own, until `capture_stop`."""

    type: Literal["capture_start"] = "capture_start"
    leg_id: UUID
    reply_channel: str
    request_id: str | None = None


class CaptureStop(Message):
    type: Literal["capture_stop"] = "capture_stop"
    leg_id: UUID
    language: str  # of the household: what is probably spoken
    reply_channel: str
    request_id: str | None = None


WorkerCommand = Annotated[
    LegOffer
    | LegJoin
    | LegCandidate
    | LegClose
    | CallClose
    | ToneStart
    | ToneStop
    | PlayClip
    | LegGain
    | CaptureStart
    | CaptureStop,
    Field(discriminator="type"),
]
_ADAPTER: TypeAdapter[WorkerCommand] = TypeAdapter(WorkerCommand)


def parse_command(text: str) -> WorkerCommand:
    """Raises pydantic.ValidationError: only the hub writes commands, so a bad one is a bug."""
    return _ADAPTER.validate_json(text)
