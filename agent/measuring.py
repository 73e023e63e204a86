"""What this end of a call measures, second by second, in W3C's words (webrtc-stats)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from agent.audio import Samples
from protocol.audio import SAMPLE_RATE_HZ
from protocol.messages.statistics import MAX_STATS_SAMPLES, Stats
from protocol.quality import StatsSample
from sound.receiver import VoiceReceiver

CODEC = "audio/opus"  # the only one that this end offers


@dataclass(kw_only=True)
class Counters:
    """As aiortc counts them: since the connection began."""

    packets_received: int = 0
    packets_lost: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0
    total_samples_received: int = 0
    concealed_samples: int = 0
    concealment_events: int = 0
    jitter_s: float | None = None
    round_trip_time_s: float | None = None

    @classmethod
    def of(cls, reports: dict[str, Any], *, voice: VoiceReceiver) -> "Counters":
        """From aiortc's getStats and from what was played. Its jitter counts RTP ticks."""
        counters = cls(
            total_samples_received=voice.total_samples_received,
            concealed_samples=voice.concealed_samples,
            concealment_events=voice.concealment_events,
        )
        for report in reports.values():
            if report.type == "inbound-rtp":
                counters.packets_received = report.packetsReceived
                counters.packets_lost = report.packetsLost
                counters.jitter_s = report.jitter / SAMPLE_RATE_HZ
            elif report.type == "outbound-rtp":
                counters.packets_sent, counters.bytes_sent = report.packetsSent, report.bytesSent
            elif report.type == "remote-inbound-rtp":
                counters.round_trip_time_s = report.roundTripTime
            elif report.type == "transport":
                counters.bytes_received = report.bytesReceived  # aiortc counts them with their headers only
        return counters

    def since(self, before: "Counters", *, audio_level: float) -> StatsSample:
        """One second: the difference of two looks."""
        return StatsSample(
            packets_received=_between(before.packets_received, self.packets_received, 1000),
            packets_lost=_between(before.packets_lost, self.packets_lost, 1000),
            bytes_received=_between(before.bytes_received, self.bytes_received, 1_000_000),
            packets_sent=_between(before.packets_sent, self.packets_sent, 1000),
            bytes_sent=_between(before.bytes_sent, self.bytes_sent, 1_000_000),
            total_samples_received=_between(
                before.total_samples_received, self.total_samples_received, 1_000_000
            ),
            concealed_samples=_between(before.concealed_samples, self.concealed_samples, 1_000_000),
            concealment_events=_between(before.concealment_events, self.concealment_events, 1000),
            jitter_s=_seconds(self.jitter_s),
            round_trip_time_s=_seconds(self.round_trip_time_s),
            audio_level=min(1.0, max(0.0, audio_level)),
        )


class Report:
    """Samples on their way to the hub; the oldest go when nobody takes them."""

    def __init__(self) -> None:
        self._samples: list[StatsSample] = []

    def add(self, sample: StatsSample) -> None:
        self._samples = [*self._samples, sample][-MAX_STATS_SAMPLES:]

    def put_back(self, stats: Stats) -> None:
        """The hub could not be told: these go with the next ones."""
        self._samples = [*stats.samples, *self._samples][-MAX_STATS_SAMPLES:]

    def take(self, call_id: UUID, path: tuple[str, str, str] | None) -> Stats | None:
        """What was added since the last time. `path`: own and other candidate type, and the protocol."""
        if not self._samples:
            return None
        samples, self._samples = self._samples, []
        local, remote, protocol = path or (None, None, None)
        return Stats.model_validate(
            {
                "call_id": call_id,
                "samples": samples,
                "codec": CODEC,
                "local_candidate_type": local,
                "remote_candidate_type": remote,
                "protocol": protocol,
            }
        )


def peak(samples: Samples) -> float:
    """The loudest sample, 0 to 1."""
    return float(np.abs(samples.astype(np.int32)).max(initial=0)) / 32_768


def _between(before: int, after: int, most: int) -> int:
    return min(most, max(0, after - before))


def _seconds(value: float | None) -> float | None:
    return None if value is None else min(60.0, max(0.0, value))
