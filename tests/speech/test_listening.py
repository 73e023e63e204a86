"""Long files in bounded memory: what is cut out, where it lay, and that nothing is cut twice or lost."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tests.speech.sounds import silence, write_opus
from transcripts.engine import UnreadableAudio
from transcripts.listening import RATE_HZ, Piece, Samples, decode, speech

pytestmark = pytest.mark.unit


def loud_spans(samples: Samples) -> list[tuple[int, int]]:
    """A detector for the tests: whatever is not zero."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (samples != 0).astype(np.int8), [0]])))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def timeline(spans_s: list[tuple[float, float]], duration_s: float) -> Iterator[Samples]:
    """One second at a time, and each sample says where it is."""
    for second in range(round(duration_s)):
        at = np.arange(second * RATE_HZ, (second + 1) * RATE_HZ)
        is_loud = np.zeros(RATE_HZ, bool)
        for start_s, end_s in spans_s:
            is_loud |= (at >= start_s * RATE_HZ) & (at < end_s * RATE_HZ)
        yield np.where(is_loud, at + 1, 0).astype(np.float32)


def covered(pieces: list[Piece]) -> list[tuple[float, float]]:
    return [(piece.start_s, piece.start_s + piece.duration_s) for piece in pieces]


def test_each_stretch_comes_out_once_and_in_place() -> None:
    spans = [(0.5, 3.0), (30.0, 41.0), (58.5, 63.0), (119.5, 119.9), (239.0, 240.0)]
    pieces = list(speech(timeline(spans, 240), loud_spans))
    assert np.array(covered(pieces)) == pytest.approx(np.array(spans))
    for piece in pieces:
        assert piece.samples[0] == round(piece.start_s * RATE_HZ) + 1


def test_speech_without_an_end_is_cut_at_a_window_and_nothing_is_lost() -> None:
    pieces = list(speech(timeline([(0.0, 150.0)], 150), loud_spans))
    assert sum(len(piece.samples) for piece in pieces) == 150 * RATE_HZ
    assert np.array_equal(
        np.concatenate([p.samples for p in pieces]), np.arange(1, 150 * RATE_HZ + 1, dtype=np.float32)
    )


def test_silence_and_nothing_have_no_pieces() -> None:
    assert list(speech(timeline([], 130), loud_spans)) == []
    assert list(speech(iter([]), loud_spans)) == []


def test_two_hours_need_no_more_memory_than_two_minutes() -> None:
    spans = [(at + 10.0, at + 15.0) for at in range(0, 7200, 60)]
    tracemalloc.start()
    count = sum(1 for _piece in speech(_quick_timeline(spans), loud_spans))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 120
    assert peak < 40_000_000


def _quick_timeline(spans_s: list[tuple[float, float]]) -> Iterator[Samples]:
    loud, quiet = np.ones(RATE_HZ, np.float32), np.zeros(RATE_HZ, np.float32)
    loud_seconds = {second for start, end in spans_s for second in range(int(start), int(end))}
    for second in range(7200):
        yield loud if second in loud_seconds else quiet


def test_a_file_is_decoded_to_16_khz(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = (rng.standard_normal(48_000 * 3) * 3000).astype(np.int16)
    samples = np.concatenate(list(decode(write_opus(tmp_path / "a.ogg", noise))))
    assert len(samples) == pytest.approx(3 * RATE_HZ, abs=RATE_HZ * 0.03)
    assert samples.dtype == np.float32
    assert 0.02 < float(np.abs(samples).mean()) < 0.2


def test_a_gap_in_the_time_stamps_becomes_silence(tmp_path: Path) -> None:
    """A recorder may leave time out instead of writing silence."""
    path = tmp_path / "gap.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for start in (0, 48_000 * 5):
            frame = av.AudioFrame.from_ndarray(
                np.full((1, 48_000), 8000, np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = np.concatenate(list(decode(path)))
    assert len(samples) == pytest.approx(6 * RATE_HZ, abs=RATE_HZ * 0.05)
    assert not samples[2 * RATE_HZ : 4 * RATE_HZ].any()
    assert samples[round(5.5 * RATE_HZ)] == pytest.approx(0.244, abs=0.01)


def test_what_is_no_audio_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "recording.ogg"
    path.write_bytes(b"not a recording" * 100)
    with pytest.raises(UnreadableAudio, match="cannot be decoded"):
        list(decode(path))
    with pytest.raises(UnreadableAudio):
        list(decode(tmp_path / "nothing.ogg"))
    path.write_bytes(b"")
    with pytest.raises(UnreadableAudio):
        list(decode(path))


def test_an_empty_recording_has_no_samples(tmp_path: Path) -> None:
    samples = list(decode(write_opus(tmp_path / "a.ogg", silence(0.02))))
    assert sum(map(len, samples)) < RATE_HZ
