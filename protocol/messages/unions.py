"""Which messages go in which direction, and how a text becomes one of them."""

from typing import Annotated, get_args

from pydantic import Field, TypeAdapter

from protocol.base import Message, parse
from protocol.certificates import Certificate, CertificateInUse, CertificateRequest, KeyWanted
from protocol.messages.announcements import Announce, AnnounceProgress
from protocol.messages.calls import (
    CallAccept,
    CallDecline,
    CallEnd,
    CallInvite,
    CallInvited,
    CallMoved,
    CallRinging,
    CallStateMessage,
)
from protocol.messages.connection import (
    AnswerRefused,
    IceCandidate,
    IceServers,
    IceServersRequest,
    WebrtcAnswer,
    WebrtcOffer,
)
from protocol.messages.household import DeviceSettings, HouseholdChanged, Presence, Unclaimed, Unknown
from protocol.messages.socket import Challenge, DeviceHello, Error, Hello, HelloAck, Ping, Pong
from protocol.messages.sound import MicStart, MicStop, Speak, Start, Stop, Transcription
from protocol.messages.statistics import CallQuality, Stats

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
