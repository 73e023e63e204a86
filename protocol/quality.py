"""How good a connection is, as four bars and a word. The hub, the worker and the call page all judge by this.

The measure is the transmission rating R of ITU-T G.107 (the E-model), reduced to what a packet network changes:
R = 93.2 - Id - Ie,eff. `Id` is the impairment by delay in the short form of Cole and Rosenbluth (2001), `Ie,eff`
that by loss as in G.107 section 7.3. The classes of R, and what people say about them, are those of ITU-T G.109.
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

R_BEST: Final = 93.2  # G.107 with all its default values
# G.113 gives no figures for Opus. Of the codecs that conceal what is lost, 10 is the most cautious one (GSM-EFR).
LOSS_ROBUSTNESS_BPL: Final = 10.0
# One frame of 20 ms, the look-ahead of Opus, and the least that a receiver holds back.
CODEC_DELAY_MS: Final = 20.0 + 6.5 + 20.0
JITTER_HELD: Final = 2.0  # a receiver holds back about twice the mean deviation
DELAY_NOTICED_MS: Final = 177.3
SAMPLES_PER_S: Final = 48_000


class Bars(IntEnum):
    """How many of the four bars are full."""

    LOST = 0  # nothing arrives any more
    POOR = 1  # R below 60: nearly everybody is dissatisfied (G.109)
    WEAK = 2  # 60 and more: many are dissatisfied
    GOOD = 3  # 70 and more: some are dissatisfied
    VERY_GOOD = 4  # 80 and more: people are satisfied


class QualityWord(StrEnum):
    VERY_GOOD = "very_good"
    GOOD = "good"
    WEAK = "weak"
    LOST = "lost"


_LEAST_RATING: Final = ((Bars.VERY_GOOD, 80.0), (Bars.GOOD, 70.0), (Bars.WEAK, 60.0))
_WORDS: Final = {
    Bars.VERY_GOOD: QualityWord.VERY_GOOD,
    Bars.GOOD: QualityWord.GOOD,
    Bars.WEAK: QualityWord.WEAK,
    Bars.POOR: QualityWord.WEAK,
    Bars.LOST: QualityWord.LOST,
}


class StatsSample(BaseModel):
    """What one end measured in one second: W3C webrtc-stats, with the counters of this second alone.

    None: this end cannot measure it. `audio_level` is linear, 1 is the loudest. `silent_concealed_samples` is the
    part of `concealed_samples` that filled a pause of the speaker.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    packets_received: int = Field(default=0, ge=0, le=1000)
    packets_lost: int = Field(default=0, ge=0, le=1000)
    bytes_received: int = Field(default=0, ge=0, le=1_000_000)
    packets_sent: int = Field(default=0, ge=0, le=1000)
    bytes_sent: int = Field(default=0, ge=0, le=1_000_000)
    jitter_s: float | None = Field(default=None, ge=0, le=60, allow_inf_nan=False)
    round_trip_time_s: float | None = Field(default=None, ge=0, le=60, allow_inf_nan=False)
    total_samples_received: int | None = Field(default=None, ge=0, le=1_000_000)
    concealed_samples: int | None = Field(default=None, ge=0, le=1_000_000)
    silent_concealed_samples: int | None = Field(default=None, ge=0, le=1_000_000)
    concealment_events: int | None = Field(default=None, ge=0, le=1000)
    audio_level: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)


def rating(*, fraction_lost: float, round_trip_time_s: float | None, jitter_s: float | None) -> float:
    """R, 0 to 93.2. What was not measured counts as perfect."""
    delay_ms = CODEC_DELAY_MS + 500 * (round_trip_time_s or 0.0) + 1000 * JITTER_HELD * (jitter_s or 0.0)
    by_delay = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - DELAY_NOTICED_MS)
    lost_percent = 100 * min(1.0, max(0.0, fraction_lost))
    by_loss = 95 * lost_percent / (lost_percent + LOSS_ROBUSTNESS_BPL)
    return max(0.0, R_BEST - by_delay - by_loss)


def bars_for(r: float) -> Bars:
    return next((bars for bars, least in _LEAST_RATING if r >= least), Bars.POOR)


def word_for(bars: Bars) -> QualityWord:
    return _WORDS[bars]


def fraction_lost(samples: Sequence[StatsSample]) -> float:
    """The share of the sound that did not arrive, or not in time to be played; 0 to 1."""
    lost = sum(sample.packets_lost for sample in samples)
    expected = lost + sum(sample.packets_received for sample in samples)
    gone = sum((s.concealed_samples or 0) - (s.silent_concealed_samples or 0) for s in samples)
    played = sum(sample.total_samples_received or 0 for sample in samples)
    return min(1.0, max(lost / expected if expected else 0.0, gone / played if played else 0.0))


def window_bars(samples: Sequence[StatsSample], *, lost_elsewhere: float = 0.0) -> Bars | None:
    """A few seconds of one direction. None: no packet came, so that nothing is known about this way.

    `lost_elsewhere` is the share that was lost before it came to this way: a forwarded gap is not its fault.
    """
    if not any(sample.packets_received for sample in samples):
        return None
    jitters = [sample.jitter_s for sample in samples if sample.jitter_s is not None]
    round_trips = [sample.round_trip_time_s for sample in samples if sample.round_trip_time_s is not None]
    return bars_for(
        rating(
            fraction_lost=fraction_lost(samples) - lost_elsewhere,
            round_trip_time_s=sum(round_trips) / len(round_trips) if round_trips else None,
            jitter_s=sum(jitters) / len(jitters) if jitters else None,
        )
    )
