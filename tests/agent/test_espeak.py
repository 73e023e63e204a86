"""The voice of the device itself."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from agent.audio import Samples
from agent.errors import VoiceError
from agent.espeak import speak
from common.speech_models import find
from protocol.audio import SAMPLE_RATE_HZ
from tests.agent.sounds import wav_bytes
from tests.speech.sounds import word_errors
from tests.speech.test_words import SENTENCES
from transcripts.whisper import WhisperTranscriber

pytestmark = pytest.mark.unit

TEXT = ["B, as in Bravo.", "The page shows four words."]
AUDIBLE = 1000


def seconds(samples: Samples) -> float:
    return len(samples) / SAMPLE_RATE_HZ


def test_it_speaks_as_long_and_as_loud_as_somebody_who_reads_it_out() -> None:
    samples = speak(TEXT)
    assert samples.dtype == np.int16
    assert 2.5 < seconds(samples) < 6.0
    assert np.abs(samples).max() > 10 * AUDIBLE
    tenths = samples[: len(samples) // 4800 * 4800].reshape(-1, 4800)
    heard = np.abs(tenths).max(axis=1) > AUDIBLE
    assert 0.5 < heard.mean() < 0.95, "words and pauses"
    assert not samples[-SAMPLE_RATE_HZ // 4 :].any(), "a pause after each sentence"


def alike(one: Samples, other: Samples) -> float:
    """1: as loud as each other at every moment. espeak-ng never says a text twice with the same samples."""
    frames = min(len(one), len(other)) // 960
    levels = [samples[: frames * 960].reshape(-1, 960).std(axis=1) for samples in (one, other)]
    return float(np.corrcoef(*levels)[0, 1])


def test_the_same_text_sounds_the_same_and_another_does_not() -> None:
    first = speak(TEXT)
    assert alike(first, speak(TEXT)) > 0.99
    assert alike(first, speak(["D, as in Delta.", TEXT[1]])) < 0.5


def test_of_two_at_once_each_gets_its_own_sound() -> None:
    texts = [["Dinner is ready."], ["The kettle is on the table, and the cat is not."]] * 4
    heard: list[Samples] = [speak([])] * len(texts)

    def say(number: int) -> None:
        heard[number] = speak(texts[number])

    threads = [threading.Thread(target=say, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [alike(samples, speak(text)) > 0.99 for text, samples in zip(texts, heard, strict=True)] == [
        True
    ] * 8


def test_somebody_who_listens_understands_it(tmp_path: Path) -> None:
    """With the demo recogniser, which knows household English."""
    sentences = [SENTENCES[6], SENTENCES[7], SENTENCES[16]]
    recogniser = WhisperTranscriber(find("demo-whisper").folder, name="Demo", is_demo=True)
    (tmp_path / "said.wav").write_bytes(wav_bytes(speak(sentences)))
    heard = " ".join(one.text for one in recogniser.transcribe(tmp_path / "said.wav", language="en"))
    assert word_errors(" ".join(sentences), heard) <= 3, heard


def test_nothing_to_say_is_no_sound() -> None:
    assert len(speak([])) == 0


def test_a_machine_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(VoiceError, match="no voice for this kind of machine"):
        speak(TEXT)


def test_missing_data_does_not_end_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loader = pytest.importorskip("espeakng_loader")
    monkeypatch.setattr(loader, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(VoiceError):
        speak(TEXT)
    monkeypatch.undo()
    assert len(speak(TEXT))
