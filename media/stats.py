"""What a leg measures, in our units and with W3C's names (webrtc-stats): counters, and samples of a second."""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol.audio import SAMPLE_RATE_HZ
from protocol.quality import Bars, StatsSample, fraction_lost, window_bars

if TYPE_CHECKING:
    from media.connection.rtp import PacketReceiver, PacketSender

CODEC: Final = "audio/opus"  # there is no other
WINDOW_S: Final = 5
ROW_S: Final = 60  # so many samples are told at once


@dataclass(frozen=True, kw_only=True)
class LegStats:
    """Of the newest peer connection of a leg. None: not measured yet. `path` as in media.connection.path."""

    packets_received: int = 0
    packets_lost: int = 0
    bytes_received: int = 0
    jitter_s: float | None = None
    packets_sent: int = 0
    bytes_sent: int = 0
    round_trip_time_s: float | None = None
    packets_discarded: int = 0
    fraction_lost: float | None = None  # of what was sent, by the newest receiver report
    path: str = ""
    echo_return_loss_enhancement: float | None = None  # dB, where the worker takes the echo out


def leg_stats(receiver: "PacketReceiver", sender: "PacketSender", *, path: str = "") -> LegStats:
    """Read the counters of aiortc's two halves. Its jitter counts RTP ticks (RFC 3550 section 6.4.1)."""
    streams = list(receiver.streams.values())
    newest = streams[-1] if streams else None
    return LegStats(
        packets_received=sum(stream.packets_received for stream in streams),
        packets_lost=sum(stream.packets_lost for stream in streams),
        bytes_received=receiver.bytes_received,
        jitter_s=newest.jitter / SAMPLE_RATE_HZ if newest else None,
        packets_sent=sender.packet_count,
        bytes_sent=sender.octet_count,
        round_trip_time_s=sender.rtt_s,
        packets_discarded=receiver.packets_dropped + sender.packets_dropped,
        fraction_lost=sender.reported_loss,
        path=path,
    )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of one leg, one after the other. `started_at_s` is wall time (Unix) of the first."""

    started_at_s: float
    samples: tuple[StatsSample, ...]
    codec: str
    path: str
    echo_return_loss_enhancement: float | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How good the way from an end to the worker is. `lost` is the share that did not arrive."""

    bars: Bars
    lost: float


class LegMeter:
    """Takes the counters of one leg once a second. Bounded: what nobody fetches for a minute is told at once."""

    def __init__(self) -> None:
        self._last = LegStats()
        self._window: deque[StatsSample] = deque(maxlen=WINDOW_S)
        self._samples: list[StatsSample] = []
        self._started_at_s = 0.0
        self._echo_return_loss_enhancement: float | None = None  # the newest
        self._judged: Judged | None = None
        self._doubted: Bars | None = None

    @property
    def is_full(self) -> bool:
        return len(self._samples) >= ROW_S

    def take(self, stats: LegStats, *, unix_s: float) -> StatsSample:
        """The second that ends now. Counters that went back belong to a new connection, and begin at zero."""
        base = self._last if stats.packets_received >= self._last.packets_received else LegStats()
        sample = StatsSample(
            packets_received=_between(base.packets_received, stats.packets_received, 1000),
            packets_lost=_between(base.packets_lost, stats.packets_lost, 1000),
            bytes_received=_between(base.bytes_received, stats.bytes_received, 1_000_000),
            packets_sent=_between(base.packets_sent, stats.packets_sent, 1000),
            bytes_sent=_between(base.bytes_sent, stats.bytes_sent, 1_000_000),
            jitter_s=_seconds(stats.jitter_s),
            round_trip_time_s=_seconds(stats.round_trip_time_s),
        )
        self._last = stats
        if stats.echo_return_loss_enhancement is not None:
            self._echo_return_loss_enhancement = stats.echo_return_loss_enhancement
        if not self._samples:
            self._started_at_s = unix_s - 1.0
        self._samples.append(sample)
        self._window.append(sample)
        return sample

    def begin(self) -> None:
        """Forget what was measured; the counters go on."""
        self._samples, self._echo_return_loss_enhancement = [], None
        self._window.clear()
        self._judged = self._doubted = None

    def judge(self, *, is_lost: bool) -> Judged | None:
        """The bars of the last seconds when they are new; twice the same, so that they do not flicker."""
        bars = Bars.LOST if is_lost else window_bars(self._window)
        is_steady = bars is self._doubted or is_lost
        self._doubted = bars
        if bars is None or not is_steady or (self._judged is not None and bars is self._judged.bars):
            return None
        self._judged = Judged(bars=bars, lost=fraction_lost(self._window))
        return self._judged

    def harvest(self, *, with_silent_end: bool = True) -> Measured | None:
        """All samples since the last time; None when there are none."""
        samples, self._samples = tuple(self._samples), []
        while not with_silent_end and samples and not samples[-1].packets_received:
            samples = samples[:-1]
        if not samples:
            return None
        return Measured(
            started_at_s=self._started_at_s,
            samples=samples,
            codec=CODEC,
            path=self._last.path,
            echo_return_loss_enhancement=self._echo_return_loss_enhancement,
        )


def _between(before: int, after: int, most: int) -> int:
    return min(most, max(0, after - before))


def _seconds(value: float | None) -> float | None:
    return None if value is None else min(60.0, max(0.0, value))
