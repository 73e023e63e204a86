"""The socket itself: who is at its other end, whether they are still there, and what was wrong."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from protocol.base import PROTOCOL_VERSION, Message, ShortText
from protocol.errors import ErrorCode
from protocol.identity import Nonce, Signature
from protocol.messages.connection import IceServer
from protocol.messages.sound import Voice


class Ping(Message):
    type: Literal["ping"] = "ping"


class Pong(Message):
    type: Literal["pong"] = "pong"


class Hello(Message):
    """First message. A client without a cookie brings an API token."""

    type: Literal["hello"] = "hello"
    token: str | None = Field(default=None, max_length=200)
    household_id: UUID | None = None  # of the page; without it, the one that the session chose last
    version: int = PROTOCOL_VERSION


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


class HelloAck(Message):
    type: Literal["hello_ack"] = "hello_ack"
    version: int = PROTOCOL_VERSION
    household_id: UUID
    household_name: str
    voices: list[Voice]
    ice_servers: list[IceServer]
    device_name: ShortText | None = None  # to a device: its own
    hub_time: datetime | None = None  # to a device, whose own clock may stand at 1970
    proof: Signature | None = None  # to a device: by the hub's CA, over protocol.identity.hub_text()


class Error(Message):
    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    call_id: UUID | None = None  # of device_busy: the call that keeps it busy, if it is one's own


class Challenge(Message):
    """First message on a device's socket: what it has to sign."""

    type: Literal["challenge"] = "challenge"
    nonce: str
    hub_id: str
