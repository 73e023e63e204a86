"""Who may say what on the two sockets. One table each; a message that is not named is refused.

Ids in a message are looked up behind this, by the access.py of their app.
"""

from typing import Final

from devices.gate import OfDevice, Row, Who
from households.roles import Permission
from protocol import messages as m
from protocol.base import Message
from protocol.certificates import CertificateInUse, CertificateRequest

CALL = OfDevice(Permission.CALL)
# Sound without a call: for whoever may call by role. A guest has what was lent, and nothing else.
OWN_CONNECTION = Permission.CALL

BROWSER: Final[dict[type[Message], Row]] = {
    m.Hello: Who.EVERYBODY,
    m.Ping: Who.EVERYBODY,
    m.Pong: Who.EVERYBODY,
    m.CallInvite: CALL,
    m.CallAccept: Who.OWN,
    m.CallDecline: Who.OWN,
    m.CallEnd: Who.OWN,
    m.IceServersRequest: Who.OWN,
    m.WebrtcOffer: Who.OWN,
    m.IceCandidate: Who.OWN,
    m.Stats: Who.OWN,
    m.Start: OWN_CONNECTION,
    m.Stop: OWN_CONNECTION,
    m.Speak: CALL,
    m.MicStart: OWN_CONNECTION,
    m.MicStop: OWN_CONNECTION,
}
DEVICE: Final[dict[type[Message], Row]] = {
    m.DeviceHello: Who.EVERYBODY,
    m.Ping: Who.EVERYBODY,
    m.Pong: Who.EVERYBODY,
    m.CallRinging: Who.DEVICE,
    m.CallAccept: Who.DEVICE,
    m.CallDecline: Who.DEVICE,
    m.CallEnd: Who.DEVICE,
    m.IceServersRequest: Who.DEVICE,
    m.WebrtcOffer: Who.DEVICE,
    m.IceCandidate: Who.DEVICE,
    m.AnswerRefused: Who.DEVICE,
    m.AnnounceProgress: Who.DEVICE,
    m.Stats: Who.DEVICE,
    CertificateRequest: Who.DEVICE,
    CertificateInUse: Who.DEVICE,
}
