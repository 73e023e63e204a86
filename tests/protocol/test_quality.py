"""Four bars by the E-model: what loss, delay and jitter make of a connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.quality import (
    Bars,
    QualityWord,
    StatsSample,
    bars_for,
    fraction_lost,
    rating,
    window_bars,
    word_for,
)

pytestmark = pytest.mark.unit

CLEAN = {"round_trip_time_s": 0.02, "jitter_s": 0.002}


@pytest.mark.parametrize(
    ("lost", "round_trip_time_s", "jitter_s", "bars"),
    [
        (0.0, 0.02, 0.002, Bars.VERY_GOOD),
        (0.009, 0.02, 0.002, Bars.VERY_GOOD),
        (0.025, 0.02, 0.002, Bars.GOOD),
        (0.04, 0.02, 0.002, Bars.WEAK),
        (0.08, 0.02, 0.002, Bars.POOR),
        (0.0, 0.3, 0.002, Bars.VERY_GOOD),
        (0.0, 0.45, 0.002, Bars.GOOD),
        (0.0, 0.62, 0.002, Bars.WEAK),
        (0.0, 0.9, 0.002, Bars.POOR),
        (0.0, 0.02, 0.1, Bars.GOOD),
        (0.0, None, None, Bars.VERY_GOOD),
    ],
)
def test_each_impairment_costs_bars(
    lost: float, round_trip_time_s: float | None, jitter_s: float | None, bars: Bars
) -> None:
    r = rating(fraction_lost=lost, round_trip_time_s=round_trip_time_s, jitter_s=jitter_s)
    assert bars_for(r) is bars


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 5), st.floats(0, 5), st.floats(0, 1), st.floats(0, 1))
def test_worse_is_never_rated_better(a: float, b: float, c: float, d: float, e: float, f: float) -> None:
    better = rating(fraction_lost=min(a, b), round_trip_time_s=min(c, d), jitter_s=min(e, f))
    worse = rating(fraction_lost=max(a, b), round_trip_time_s=max(c, d), jitter_s=max(e, f))
    assert 0 <= worse <= better <= 93.2


def test_the_bars_have_words() -> None:
    words = [word_for(bars) for bars in sorted(Bars, reverse=True)]
    assert words == [
        QualityWord.VERY_GOOD, QualityWord.GOOD, QualityWord.WEAK, QualityWord.WEAK, QualityWord.LOST,
    ]  # fmt: skip


def test_a_window_without_a_packet_says_nothing() -> None:
    assert window_bars([StatsSample(jitter_s=0.01)]) is None
    assert window_bars([]) is None


def test_what_came_too_late_to_be_played_counts_as_lost_but_a_pause_does_not() -> None:
    late = StatsSample(
        packets_received=50,
        total_samples_received=48_000,
        concealed_samples=9_600,
        silent_concealed_samples=4_800,
    )
    assert fraction_lost([late]) == pytest.approx(0.1)
    assert window_bars([late]) is Bars.POOR


def test_what_the_other_end_lost_is_not_the_fault_of_this_one() -> None:
    sample = StatsSample(packets_received=45, packets_lost=5, **CLEAN)
    assert window_bars([sample]) is Bars.POOR
    assert window_bars([sample], lost_elsewhere=0.1) is Bars.VERY_GOOD
