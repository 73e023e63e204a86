import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from media.sound.mixer import FULL_SCALE, KNEE, mix, soft_clip
from media.sound.tone import LEVEL_DB, RAMP_SAMPLES, Tone
from protocol.audio import FRAME_SAMPLES
from sound.opus import Samples

pytestmark = pytest.mark.unit

frames = arrays(np.int16, 8, elements=st.integers(-32768, 32767))


@given(st.lists(frames, max_size=6))
def test_a_mix_never_wraps_around(voices: list[Samples]) -> None:
    total = np.sum([voice.astype(np.int64) for voice in voices], axis=0) if voices else np.zeros(8)
    mixed = mix(voices)
    assert mixed.dtype == np.int16
    if voices:
        assert (np.sign(mixed) == np.sign(total)).all()
        assert (np.abs(mixed.astype(int)) <= np.abs(total)).all()


@given(arrays(np.int16, 8, elements=st.integers(-int(KNEE * FULL_SCALE) + 1, int(KNEE * FULL_SCALE) - 1)))
def test_one_voice_at_usual_level_comes_out_unchanged(voice: Samples) -> None:
    assert (mix([voice]) == voice).all()


@given(arrays(np.float32, 16, elements=st.floats(-8, 8, width=32)))
def test_the_clip_is_monotonic_odd_and_within_full_scale(level: np.ndarray) -> None:
    level = np.sort(level)
    clipped = soft_clip(level)
    assert (np.abs(clipped) <= 1.0).all()
    assert (np.diff(clipped) >= 0).all()
    assert np.allclose(clipped, -soft_clip(-level))


def test_a_tone_starts_softly_and_reaches_its_level() -> None:
    tone = Tone(frequency_hz=440)
    samples = np.concatenate([tone.frame() for _ in range(50)])
    peak = 32767 * 10 ** (LEVEL_DB / 20)
    assert np.abs(samples[:480]).max() < peak / 4
    assert np.abs(samples[RAMP_SAMPLES:]).max() == pytest.approx(peak, rel=0.01)
    frequency = np.abs(np.fft.rfft(samples)).argmax() * 48_000 / samples.size
    assert frequency == pytest.approx(440, abs=1.1)


def test_a_stopped_tone_ends_softly() -> None:
    tone = Tone(frequency_hz=1000)
    for _ in range(10):
        tone.frame()
    tone.stop()
    rest = []
    while not tone.finished:
        rest.append(tone.frame())
    assert len(rest) * FRAME_SAMPLES <= RAMP_SAMPLES + FRAME_SAMPLES
    assert np.abs(np.concatenate(rest)[-100:]).max() < 200
