"""Every message of `/ws/hub/` (browser) and `/ws/device/` (device), one model each, by direction.

Published as docs/asyncapi.yaml. Names are kept for good, because other clients speak them.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from protocol.base import MAX_SDP_CHARS, PROTOCOL_VERSION, Message, parse
from protocol.certificates import Certificate, CertificateInUse, CertificateRequest, KeyWanted
from protocol.errors import ErrorCode
from protocol.identity import Nonce, Signature
from protocol.quality import QualityWord, StatsSample

MAX_SPEECH_CHARS = 500
Sdp = Annotated[str, Field(min_length=1, max_length=MAX_SDP_CHARS)]
ShortText = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
VoiceId = Annotated[str, Field(min_length=1, max_length=100)]
MAX_STATS_SAMPLES = 15
CodecName = Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9./+-]+$")]  # "audio/opus"
# What an end or the worker says of a connection that it waited for in vain, or that was closed in order; the hub names
# the end in its place.
LOST_FOR_GOOD = "The connection was lost and did not come back."
HUNG_UP = "The other side hung up."
CandidateType = Literal["host", "srflx", "prflx", "relay"]  # RTCIceCandidateType


class Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Voice(Part):
    voice_id: VoiceId
    name: str
    language: str
    is_demo: bool
    tone_hz: int  # the pitch of this voice's test tone


class IceServer(Part):
    """RTCIceServer of the W3C WebRTC specification."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class IceTransportPolicy(StrEnum):
    """RTCIceTransportPolicy of the W3C WebRTC specification."""

    ALL = "all"
    RELAY = "relay"


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


class DeliveryState(StrEnum):
    QUEUED = "queued"
    FETCHED = "fetched"
    PLAYED = "played"
    FAILED = "failed"
    EXPIRED = "expired"


# --- both directions -------------------------------------------------------------------------


class Ping(Message):
    type: Literal["ping"] = "ping"


class Pong(Message):
    type: Literal["pong"] = "pong"


class IceCandidate(Message):
    """RTCIceCandidateInit. `candidate` null ends the candidates. Without call_id: the client's own connection."""

    type: Literal["ice_candidate"] = "ice_candidate"
    call_id: UUID | None = None
    candidate: str | None = Field(default=None, max_length=512)
    sdpMid: str | None = Field(default=None, max_length=64)  # noqa: N815 - the browser's own name
    sdpMLineIndex: int | None = Field(default=None, ge=0, le=16)  # noqa: N815
    usernameFragment: str | None = Field(default=None, max_length=256)  # noqa: N815


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


# --- client to hub ---------------------------------------------------------------------------


class WebrtcOffer(Message):
    """A complete offer, or one whose candidates trickle. Without call_id: a connection of the client alone."""

    type: Literal["webrtc_offer"] = "webrtc_offer"
    sdp: Sdp
    call_id: UUID | None = None


class IceServersRequest(Message):
    """Asks for `ice_servers` before a new connection: their credentials live ten minutes."""

    type: Literal["ice_servers_request"] = "ice_servers_request"
    call_id: UUID | None = None


class CallAccept(Message):
    type: Literal["call_accept"] = "call_accept"
    call_id: UUID


class CallDecline(Message):
    type: Literal["call_decline"] = "call_decline"
    call_id: UUID
    reason: Literal["declined", "busy"] = "declined"


class Stats(Message):
    """What this end of a call measured: a sample a second, oldest first, sent every few seconds.

    The candidate types and the protocol are those of the selected pair; no addresses. The first agents send no samples
    but three figures of the whole connection, which say nothing about a second and are not kept.
    """

    type: Literal["stats"] = "stats"
    call_id: UUID
    samples: list[StatsSample] = Field(default_factory=list, min_length=1, max_length=MAX_STATS_SAMPLES)
    codec: CodecName | None = None
    local_candidate_type: CandidateType | None = None
    remote_candidate_type: CandidateType | None = None
    protocol: Literal["udp", "tcp"] | None = None
    echo_return_loss_enhancement: float | None = Field(default=None, ge=-100, le=100)  # dB; from a device
    packets_lost: int | None = None
    jitter_s: float | None = None
    round_trip_time_s: float | None = None


# --- browser to hub --------------------------------------------------------------------------


class Hello(Message):
    """First message. A client without a cookie brings an API token."""

    type: Literal["hello"] = "hello"
    token: str | None = Field(default=None, max_length=200)
    household_id: UUID | None = None  # of the page; without it, the one that the session chose last
    version: int = PROTOCOL_VERSION


class Start(Message):
    """Play the voice's test tone into the client's own connection until `stop`."""

    type: Literal["start"] = "start"
    voice_id: VoiceId


class Stop(Message):
    type: Literal["stop"] = "stop"


class Speak(Message):
    """Speak into the live connection: of the call, or of the client alone."""

    type: Literal["speak"] = "speak"
    text: str  # how long it may be is for the speech to say, in words; the message has its own limit
    voice_id: VoiceId | None = None
    call_id: UUID | None = None


class MicStart(Message):
    type: Literal["mic_start"] = "mic_start"


class MicStop(Message):
    """Ends the capture; `transcription` answers it."""

    type: Literal["mic_stop"] = "mic_stop"


class CallInvite(Message):
    """The same `id` again within two minutes gets the same call: the answer may have been lost on its way."""

    type: Literal["call_invite"] = "call_invite"
    device_id: UUID


# --- device to hub ---------------------------------------------------------------------------


class DeviceHello(Message):
    """Proof of the claimed key: a signature over protocol.identity.login_text().

    Without `epoch` it is one of version 1. `nonce` is what the hub has to sign in its answer.
    """

    type: Literal["hello"] = "hello"
    device_id: UUID
    signature: Signature
    epoch: int | None = Field(default=None, ge=1)
    nonce: Nonce | None = None
    agent_version: ShortText
    version: int = PROTOCOL_VERSION


class CallRinging(Message):
    type: Literal["call_ringing"] = "call_ringing"
    call_id: UUID


class AnswerRefused(Message):
    """The answer for the sound did not come from this hub as the device heard it, so it was not used."""

    type: Literal["answer_refused"] = "answer_refused"
    call_id: UUID


class AnnounceProgress(Message):
    """From the device: how far a delivery is. From the hub: the same, for the page."""

    type: Literal["announce_progress"] = "announce_progress"
    delivery_id: UUID
    state: DeliveryState
    announcement_id: UUID | None = None
    device_id: UUID | None = None
    reason: ShortText | None = None


# --- hub to client ---------------------------------------------------------------------------


class HelloAck(Message):
    type: Literal["hello_ack"] = "hello_ack"
    version: int = PROTOCOL_VERSION
    household_id: UUID
    household_name: str
    voices: list[Voice]
    ice_servers: list[IceServer]
    device_name: str | None = None  # to a device: its own
    hub_time: datetime | None = None  # to a device, whose own clock may stand at 1970
    proof: Signature | None = None  # to a device: by the hub's CA, over protocol.identity.hub_text()


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


class EndQuality(Part):
    """How one end of a call is connected. `bars`: 0 to 4 of the four."""

    role: Literal["caller", "callee"]
    bars: int = Field(ge=0, le=4)
    quality: QualityWord


class CallQuality(Message):
    """How the ends of a call are connected; comes when that changes. An end that is not named is not known."""

    type: Literal["call_quality"] = "call_quality"
    call_id: UUID
    ends: list[EndQuality]


class CallMoved(Message):
    """Make a new offer for this call now. `is_failure`: the hub itself failed, and nobody is heard until then."""

    type: Literal["call_moved"] = "call_moved"
    call_id: UUID
    is_failure: bool | None = None


class Transcription(Message):
    """Words. With call_id: a hint that the transcript of that call has more; the page reads it there."""

    type: Literal["transcription"] = "transcription"
    text: str
    final: bool
    call_id: UUID | None = None


class HouseholdChanged(Message):
    """A hint: names, rooms, people or rights are others now. Whoever shows them looks again."""

    type: Literal["household_changed"] = "household_changed"


class Presence(Message):
    type: Literal["presence"] = "presence"
    device_id: UUID
    is_online: bool
    last_seen_at: datetime | None = None


class Error(Message):
    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    call_id: UUID | None = None  # of device_busy: the call that keeps it busy, if it is one's own


# --- hub to device ---------------------------------------------------------------------------


class Challenge(Message):
    """First message on a device's socket: what it has to sign."""

    type: Literal["challenge"] = "challenge"
    nonce: str
    hub_id: str


class CallInvited(Message):
    """Somebody calls this device."""

    type: Literal["call_invite"] = "call_invite"
    call_id: UUID
    caller_name: str
    auto_answer: bool


class Announce(Message):
    """Fetch the clip at `clip_url` (a path on the hub), play it once, report each step."""

    type: Literal["announce"] = "announce"
    delivery_id: UUID
    text: str
    clip_url: str
    clip_sha256: str
    expires_at: datetime


class DeviceSettings(Message):
    """What the household chose for this device. After every hello_ack, and when it changes; also in a call."""

    type: Literal["device_settings"] = "device_settings"
    echo_cancellation: bool  # with noise suppression and a high-pass filter


class Unclaimed(Message):
    """The device belongs to nobody now: forget certificate and household. Without a proof: do nothing."""

    type: Literal["unclaimed"] = "unclaimed"
    reason: str
    proof: Signature | None = None  # by the hub's CA, over protocol.identity.hub_text()
    transfer_code: str | None = None  # another home took it over: ask for authorization there with this


class Unknown(Message):
    """No row of this hub names the device, though its claim was here: the rows are of an older backup.

    An `error` follows. One word of it is no reason to forget anything: the right rows may come back.
    """

    type: Literal["unknown"] = "unknown"
    proof: Signature | None = None  # by the hub's CA, over protocol.identity.hub_text()


BrowserMessage = Annotated[
    Hello | Ping | Pong | IceServersRequest | WebrtcOffer | IceCandidate
    | Start | Stop | Speak | MicStart | MicStop | CallInvite | CallAccept | CallDecline | CallEnd | Stats,
    Field(discriminator="type"),
]  # fmt: skip
DeviceMessage = Annotated[
    DeviceHello | Ping | Pong | IceServersRequest | WebrtcOffer | IceCandidate
    | CallRinging | CallAccept | CallDecline | CallEnd | AnswerRefused | AnnounceProgress | Stats
    | CertificateRequest | CertificateInUse,
    Field(discriminator="type"),
]  # fmt: skip
HubToBrowserMessage = Annotated[
    HelloAck | Ping | Pong | IceServers | WebrtcAnswer | IceCandidate | CallStateMessage | CallMoved | CallEnd
    | CallQuality | Transcription | AnnounceProgress | Presence | HouseholdChanged | Error,
    Field(discriminator="type"),
]  # fmt: skip
HubToDeviceMessage = Annotated[
    Challenge | HelloAck | Ping | Pong | IceServers | WebrtcAnswer | IceCandidate | CallInvited | CallStateMessage
    | CallMoved | CallEnd | Announce | DeviceSettings | Certificate | KeyWanted | Unclaimed | Unknown
    | Error,
    Field(discriminator="type"),
]  # fmt: skip

_ADAPTERS: dict[str, TypeAdapter[Message]] = {
    "browser": TypeAdapter(BrowserMessage),
    "device": TypeAdapter(DeviceMessage),
    "hub_to_browser": TypeAdapter(HubToBrowserMessage),
    "hub_to_device": TypeAdapter(HubToDeviceMessage),
}


def members(union: object) -> tuple[type[Message], ...]:
    """The models of one of the four unions."""
    models: tuple[type[Message], ...] = get_args(get_args(union)[0])
    return models


UNIONS: dict[str, object] = {
    "browser": BrowserMessage,
    "device": DeviceMessage,
    "hub_to_browser": HubToBrowserMessage,
    "hub_to_device": HubToDeviceMessage,
}
_TYPES = {
    name: frozenset(m.model_fields["type"].default for m in members(union)) for name, union in UNIONS.items()
}


def parse_browser(text: str) -> Message:
    """A message that a browser sent. Raises protocol.base.MessageError."""
    return parse(text, _ADAPTERS["browser"], _TYPES["browser"])


def parse_device(text: str) -> Message:
    """A message that a device sent. Raises protocol.base.MessageError."""
    return parse(text, _ADAPTERS["device"], _TYPES["device"])


def parse_from_hub(text: str, *, to_device: bool) -> Message:
    """A message that the hub sent; a newer hub may say more in it than is known here. Raises MessageError."""
    name = "hub_to_device" if to_device else "hub_to_browser"
    return parse(text, _ADAPTERS[name], _TYPES[name], extra="ignore")
