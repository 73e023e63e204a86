"""What comes from the hub: aiortc's receiver, with the jitter buffer and the decoder that the worker has.

aiortc's own buffer holds 80 ms, after one lost packet 280 ms for good, and its decoder conceals nothing. The
private names are those of aiortc 1.16; `tests/agent/test_downlink.py` fails when they change.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from agent.audio import Samples
from protocol.audio import FRAME_MS
from sound.receiver import VoiceReceiver

_FRAME_S: Final = FRAME_MS / 1000
_MAX_LATE_S: Final = 0.5


class PacketReceiver(RTCRtpReceiver):
    """Hands every Opus packet to `voice`; the rest of it, reports and statistics, is aiortc's."""

    voice: VoiceReceiver
    _RTCRtpReceiver__codecs: dict[int, Any]
    _RTCRtpReceiver__rtcp_task: asyncio.Future[None]
    _RTCRtpReceiver__started: bool

    async def receive(self, parameters: Any) -> None:
        """Like aiortc's, without its decoder thread; without that its jitter buffer leads nowhere."""
        if self._RTCRtpReceiver__started:
            return
        for codec in parameters.codecs:
            self._RTCRtpReceiver__codecs[codec.payloadType] = codec
        self.transport._register_rtp_receiver(self, parameters)
        self._RTCRtpReceiver__rtcp_task = asyncio.ensure_future(self._run_rtcp())
        self._RTCRtpReceiver__started = True

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if packet.payload_type in self._RTCRtpReceiver__codecs:
            self.voice.push(
                bytes(packet.payload),
                source=packet.ssrc,
                sequence_number=packet.sequence_number,
                timestamp=packet.timestamp,
            )
        await super()._handle_rtp_packet(packet, arrival_time_ms)


def take_over(receiver: Any) -> VoiceReceiver:
    """Turn the receiving half of a fresh transceiver into ours. aiortc has no hook to make it so."""
    receiver.__class__ = PacketReceiver
    receiver.voice = VoiceReceiver()
    voice: VoiceReceiver = receiver.voice
    return voice


async def play(voice: VoiceReceiver, on_samples: Callable[[Samples], None]) -> None:
    """A frame every 20 ms while the voice is on, until cancelled."""
    due_at = time.monotonic()
    while True:
        samples = voice.pop()
        if not voice.is_off:
            on_samples(samples)
        due_at += _FRAME_S
        late_s = time.monotonic() - due_at
        if late_s > _MAX_LATE_S:
            due_at += late_s
        await asyncio.sleep(max(0.0, due_at - time.monotonic()))
