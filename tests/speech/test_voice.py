from pathlib import Path

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from announcements import speech
from announcements.levels import TARGET_LUFS, loudness_lufs
from announcements.speech import BadText, clip_write, speak, synthesizer_get, text_clean, voice_list
from common.speech_models import Kind, ModelDamaged, ModelMissing
from protocol.errors import ErrorCode
from tests.speech.conftest import VOICE_ID
from tests.speech.sounds import RATE_HZ, read_wav
from tests.speech.test_store import install

pytestmark = pytest.mark.unit
TEXT = "Dinner is ready. Please come to the kitchen."


def test_a_clip_is_complete_levelled_and_begins_with_silence(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    duration_s = clip_write(TEXT, None, path)
    samples = read_wav(path)
    assert duration_s == len(samples) / RATE_HZ
    assert 2.0 < duration_s < 4.0
    assert not samples[: RATE_HZ // 10].any()
    assert np.abs(samples[RATE_HZ // 10 : RATE_HZ // 2]).max() > 3000
    assert loudness_lufs((samples / 32768).astype(np.float32), RATE_HZ) == pytest.approx(TARGET_LUFS, abs=1.5)
    assert [file.name for file in tmp_path.iterdir()] == ["clip.wav"]


def test_the_same_text_gives_the_same_samples(tmp_path: Path) -> None:
    clip_write(TEXT, "demo-voice", tmp_path / "a.wav")
    clip_write(TEXT, None, tmp_path / "b.wav")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_it_speaks_sentence_by_sentence() -> None:
    sentences = list(synthesizer_get().synthesize(TEXT))
    assert len(sentences) == 2
    assert all(sentence.dtype == np.int16 and sentence.ndim == 1 for sentence in sentences)
    assert [len(at_48_khz) > len(raw) for at_48_khz, raw in zip(speak(TEXT), sentences, strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("text", ["", "   \n\t ", "x" * 501, "x" * 100_000, "bell \x07", "half \ud800"])
def test_a_text_that_cannot_be_spoken_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadText) as caught:
        clip_write(text, None, tmp_path / "clip.wav")
    assert caught.value.wire_code == ErrorCode.BAD_TEXT
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["...", "?", "- - -"])
def test_a_text_without_anything_to_say_leaves_no_clip(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadText, match="nothing in this text"):
        clip_write(text, None, tmp_path / "clip.wav")
    assert list(tmp_path.iterdir()) == []


def test_lines_become_one_and_500_characters_are_possible(tmp_path: Path) -> None:
    assert text_clean("  Dinner\nis   ready. ") == "Dinner is ready."
    text = ("The washing machine is finished. " * 16)[:500].strip()
    assert clip_write(text, None, tmp_path / "clip.wav") > 20


def test_brackets_are_no_commands() -> None:
    assert sum(map(len, speak("The list [[milk]] is long."))) > RATE_HZ


def test_an_unknown_voice_is_missing() -> None:
    with pytest.raises(ModelMissing, match="The voice “nobody” is not installed") as caught:
        synthesizer_get("nobody")
    assert caught.value.wire_code == ErrorCode.NO_MODEL


def test_a_recogniser_is_no_voice() -> None:
    with pytest.raises(ModelMissing):
        synthesizer_get("demo-whisper")


def test_a_damaged_voice_is_said_to_be_damaged(models_root: Path) -> None:
    install(models_root, VOICE_ID, Kind.VOICE, "en-US")
    with pytest.raises(ModelDamaged, match=r"0 \.onnx files"):
        synthesizer_get(VOICE_ID)
    (models_root / VOICE_ID / "voice.onnx").write_bytes(b"no model")
    (models_root / VOICE_ID / "voice.onnx.json").write_text("{}")
    with pytest.raises(ModelDamaged, match="cannot be loaded"):
        synthesizer_get(VOICE_ID)


def test_each_voice_has_its_own_tone_and_keeps_it(models_root: Path) -> None:
    (alone,) = voice_list()
    assert (alone.voice_id, alone.is_demo, alone.tone_hz) == ("demo-voice", True, 440)
    for number in range(14):
        install(models_root, f"own-{number}", Kind.VOICE, "en-US")
    install(models_root, VOICE_ID, Kind.VOICE, "en-US")
    voices = voice_list()
    tones = {voice.voice_id: voice.tone_hz for voice in voices}
    assert voices[0].voice_id == VOICE_ID
    assert voices[-1].voice_id == "demo-voice"
    assert len(set(tones.values())) == len(voices) == 16
    assert tones["demo-voice"] == 440
    assert tones[VOICE_ID] == 466


def test_without_voices_the_list_is_empty(models_root: Path, settings: Settings) -> None:
    settings.SPEECH_MODELS_SHIPPED_ROOT = models_root
    assert voice_list() == []


def test_a_voice_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert synthesizer_get("demo-voice") is synthesizer_get()
    assert speech.synthesizer_get().is_demo
