"""The libraries behind the protocols: offline, damaged, packed, and without a way into the logs."""

import logging
import socket
from pathlib import Path

import numpy as np
import pytest

from announcements.piper import PiperSynthesizer
from common.speech_models import Kind, ModelDamaged, find
from tests.speech.sounds import RATE_HZ, silence, word_errors, words, write_opus
from tests.speech.test_store import install
from tests.speech.test_words import SENTENCES, spoken
from transcripts.whisper import WhisperTranscriber

pytestmark = pytest.mark.unit


def test_both_engines_load_and_work_without_any_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("An engine asked the network.")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    voice = PiperSynthesizer(find("demo-voice").folder, voice_id="demo-voice", is_demo=True)
    recogniser = WhisperTranscriber(find("demo-whisper").folder, name="Demo", is_demo=True)
    assert sum(len(samples) for samples in voice.synthesize("Dinner is ready.")) > voice.sample_rate_hz // 2
    clip = write_opus(tmp_path / "a.ogg", spoken(SENTENCES[8], tmp_path))
    assert [words(segment.text) for segment in recogniser.transcribe(clip, language="en")] == [
        words(SENTENCES[8])
    ]


def test_pieces_that_share_a_window_keep_their_times(tmp_path: Path) -> None:
    """Real models take many short pieces at once; here the demo model does, in its window of 10 s."""
    recogniser = WhisperTranscriber(find("demo-whisper").folder, name="Packing", is_demo=False)
    first, second = spoken(SENTENCES[2], tmp_path), spoken(SENTENCES[9], tmp_path)
    samples = np.concatenate([silence(1), first, silence(30), second, silence(1)])
    starts = [1.1, 31.1 + len(first) / RATE_HZ]
    windows = 0

    def counted(*args: object, **options: object) -> object:
        nonlocal windows
        windows += 1
        return transcribe(*args, **options)

    transcribe = recogniser._model.transcribe
    recogniser._model.transcribe = counted
    segments = list(recogniser.transcribe(write_opus(tmp_path / "a.ogg", samples), language="en"))
    assert windows == 1
    assert len(segments) == 2
    assert word_errors(f"{SENTENCES[2]} {SENTENCES[9]}", f"{segments[0].text} {segments[1].text}") <= 4
    assert [segment.start_s for segment in segments] == pytest.approx(starts, abs=0.35)


def test_a_damaged_recogniser_is_said_to_be_damaged(models_root: Path) -> None:
    install(models_root, "whisper-base", Kind.RECOGNISER, "mul")
    with pytest.raises(ModelDamaged, match="cannot be loaded"):
        WhisperTranscriber(models_root / "whisper-base", name="Whisper base", is_demo=False)


def test_an_unknown_language_is_no_error(tmp_path: Path) -> None:
    recogniser = WhisperTranscriber(find("demo-whisper").folder, name="Demo", is_demo=True)
    clip = write_opus(tmp_path / "a.ogg", spoken(SENTENCES[8], tmp_path))
    for language in (None, "tlh", "de-AT"):
        assert list(recogniser.transcribe(clip, language=language))


def test_what_is_said_reaches_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        clip = write_opus(tmp_path / "a.ogg", spoken("The secret word is umbrella.", tmp_path))
        recogniser = WhisperTranscriber(find("demo-whisper").folder, name="Demo", is_demo=True)
        assert list(recogniser.transcribe(clip, language="en"))
    assert "umbrella" not in caplog.text.lower()
