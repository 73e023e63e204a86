"""Who may say what on the two sockets. One table each; a message that is not named is refused.

Ids in a message are looked up behind this, by the access.py of their app.
"""

from typing import Final

from devices.gate import OfDevice, Row, Who
from households.roles import Permission
from protocol.base import Message
from protocol.certificates import CertificateInUse, CertificateRequest
from protocol.messages.announcements import AnnounceProgress
from protocol.messages.calls import CallAccept, CallDecline, CallEnd, CallInvite, CallRinging
from protocol.messages.connection import AnswerRefused, IceCandidate, IceServersRequest, WebrtcOffer
from protocol.messages.socket import DeviceHello, Hello, Ping, Pong
from protocol.messages.sound import MicStart, MicStop, Speak, Start, Stop
from protocol.messages.statistics import Stats

CALL = OfDevice(Permission.CALL)
# Sound without a call: for whoever may call by role. A guest has what was lent, and nothing else.
OWN_CONNECTION = Permission.CALL

BROWSER: Final[dict[type[Message], Row]] = {
    Hello: Who.EVERYBODY,
    Ping: Who.EVERYBODY,
    Pong: Who.EVERYBODY,
    CallInvite: CALL,
    CallAccept: Who.OWN,
    CallDecline: Who.OWN,
    CallEnd: Who.OWN,
    IceServersRequest: Who.OWN,
    WebrtcOffer: Who.OWN,
    IceCandidate: Who.OWN,
    Stats: Who.OWN,
    Start: OWN_CONNECTION,
    Stop: OWN_CONNECTION,
    Speak: CALL,
    MicStart: OWN_CONNECTION,
    MicStop: OWN_CONNECTION,
}
DEVICE: Final[dict[type[Message], Row]] = {
    DeviceHello: Who.EVERYBODY,
    Ping: Who.EVERYBODY,
    Pong: Who.EVERYBODY,
    CallRinging: Who.DEVICE,
    CallAccept: Who.DEVICE,
    CallDecline: Who.DEVICE,
    CallEnd: Who.DEVICE,
    IceServersRequest: Who.DEVICE,
    WebrtcOffer: Who.DEVICE,
    IceCandidate: Who.DEVICE,
    AnswerRefused: Who.DEVICE,
    AnnounceProgress: Who.DEVICE,
    Stats: Who.DEVICE,
    CertificateRequest: Who.DEVICE,
    CertificateInUse: Who.DEVICE,
}
