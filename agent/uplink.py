"""What goes to the hub: aiortc's sender, with the encoder that the worker has.

aiortc's own sends 96 kb/s of stereo whatever the network says, without a copy of what may be lost, and never pauses.
The private names are those of aiortc 1.16; `tests/agent/test_uplink.py` fails when they change.
"""

from typing import Any

from aiortc.codecs.base import Encoder
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtp import RtcpRrPacket, RtcpSrPacket
from av import AudioFrame
from av.frame import Frame
from av.packet import Packet

from sound.opus import mono_samples
from sound.stream import OutgoingStream


class VoiceEncoder(Encoder):
    """Frames of 20 ms, mono s16 at 48 kHz, to Opus: 12 to 64 kb/s by what the hub reports, and nothing in a pause."""

    def __init__(self) -> None:
        self._stream = OutgoingStream()
        self._reports: list[float] = []  # aiortc encodes in a thread, and reports come in the loop

    def report(self, fraction_lost: float) -> None:
        """`fraction_lost` since the report before, 0 to 1."""
        self._reports.append(fraction_lost)

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """The packet, if one is to be sent, and its timestamp."""
        while self._reports:
            self._stream.report(self._reports.pop(0))
        if not isinstance(frame, AudioFrame) or frame.pts is None:
            raise TypeError("a microphone gives frames of sound with their times")
        sent = self._stream.encode(mono_samples(frame))
        return ([sent[0]] if sent else []), frame.pts

    def pack(self, packet: "Packet[Any]") -> tuple[list[bytes], int]:
        """aiortc asks for it where a track gives packets instead of frames."""
        raise TypeError("a microphone gives frames of sound")


class VoiceSender(RTCRtpSender):
    """Tells its encoder what the hub reports."""

    voice: VoiceEncoder

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
            for report in packet.reports:
                if report.ssrc == self._ssrc:
                    self.voice.report(report.fraction_lost / 256)
        await super()._handle_rtcp_packet(packet)


def take_over(sender: Any) -> VoiceEncoder:
    """Turn the sending half of a fresh transceiver into ours. aiortc has no hook to make it so."""
    sender.__class__ = VoiceSender
    sender.voice = sender._RTCRtpSender__encoder = VoiceEncoder()
    voice: VoiceEncoder = sender.voice
    return voice
