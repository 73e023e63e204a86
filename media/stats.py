"""What a leg measures, in our units and with W3C's names (webrtc-stats)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.audio import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from media.connection.rtp import PacketReceiver, PacketSender


@dataclass(frozen=True, kw_only=True)
class LegStats:
    """Of the newest peer connection of a leg. None: not measured yet."""

    packets_received: int = 0
    packets_lost: int = 0
    jitter_s: float | None = None
    packets_sent: int = 0
    bytes_sent: int = 0
    round_trip_time_s: float | None = None
    packets_discarded: int = 0


def leg_stats(receiver: "PacketReceiver", sender: "PacketSender") -> LegStats:
    """Read the counters of aiortc's two halves. Its jitter counts RTP ticks (RFC 3550 section 6.4.1)."""
    streams = list(receiver.streams.values())
    newest = streams[-1] if streams else None
    return LegStats(
        packets_received=sum(stream.packets_received for stream in streams),
        packets_lost=sum(stream.packets_lost for stream in streams),
        jitter_s=newest.jitter / SAMPLE_RATE_HZ if newest else None,
        packets_sent=sender._RTCRtpSender__packet_count,
        bytes_sent=sender._RTCRtpSender__octet_count,
        round_trip_time_s=sender._RTCRtpSender__rtt,
        packets_discarded=receiver.packets_dropped + sender.packets_dropped,
    )
