"""How a peer connection comes about: servers, offers, answers, candidates."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from protocol.base import MAX_SDP_CHARS, Message, Part
from protocol.identity import Signature

Sdp = Annotated[str, Field(min_length=1, max_length=MAX_SDP_CHARS)]


class IceServer(Part):
    """RTCIceServer of the W3C WebRTC specification."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class IceTransportPolicy(StrEnum):
    """RTCIceTransportPolicy of the W3C WebRTC specification."""

    ALL = "all"
    RELAY = "relay"


class IceCandidate(Message):
    """RTCIceCandidateInit. `candidate` null ends the candidates. Without call_id: the client's own connection."""

    type: Literal["ice_candidate"] = "ice_candidate"
    call_id: UUID | None = None
    candidate: str | None = Field(default=None, max_length=512)
    sdpMid: str | None = Field(default=None, max_length=64)  # noqa: N815 - the browser's own name
    sdpMLineIndex: int | None = Field(default=None, ge=0, le=16)  # noqa: N815
    usernameFragment: str | None = Field(default=None, max_length=256)  # noqa: N815


class WebrtcOffer(Message):
    """A complete offer, or one whose candidates trickle. Without call_id: a connection of the client alone."""

    type: Literal["webrtc_offer"] = "webrtc_offer"
    sdp: Sdp
    call_id: UUID | None = None


class IceServersRequest(Message):
    """Asks for `ice_servers` before a new connection: their credentials live ten minutes."""

    type: Literal["ice_servers_request"] = "ice_servers_request"
    call_id: UUID | None = None


class AnswerRefused(Message):
    """The answer for the sound did not come from this hub as the device heard it, so it was not used."""

    type: Literal["answer_refused"] = "answer_refused"
    call_id: UUID


class IceServers(Message):
    """What RTCPeerConnection takes for this end of this call."""

    type: Literal["ice_servers"] = "ice_servers"
    ice_servers: list[IceServer]
    ice_transport_policy: IceTransportPolicy


class WebrtcAnswer(Message):
    type: Literal["webrtc_answer"] = "webrtc_answer"
    sdp: str
    call_id: UUID | None = None
    proof: Signature | None = None  # to a device: by the hub's CA, over protocol.identity.answer_text()
