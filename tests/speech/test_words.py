"""Words, not plumbing: text -> demo voice -> Opus -> faster-whisper -> words, with the real libraries."""

from pathlib import Path

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from announcements.speech import clip_write
from common.speech_models import ModelMissing
from tests.speech.sounds import RATE_HZ, Samples, read_wav, silence, word_errors, words, write_opus
from transcripts.engine import Segment
from transcripts.recogniser import transcriber_get

pytestmark = pytest.mark.unit
# Of the household grammar in speech/training/household.py, and kept out of the recogniser's training.
SENTENCES = """
The chimney sweep photographed the sled near the daisy.
Have you seen my white bandage anywhere?
David, please come to the laundry room.
The parcel weighs fifty eight kilos and costs fifty three dollars.
Have you finished your chemistry homework, Cecilia?
Does anyone know where the folder is?
Everybody please come down to the bathroom at midnight.
Can somebody carry the boxes upstairs twice a day?
Remind the neighbour to open the curtains on Thursday.
Naomi, please book the tickets right away.
Thanks for the roast beef, it was delicious.
Would you like some coffee or coffee, Felix?
My cousin will arrive at quarter to ten on Tuesday.
I made chips and eggs for everyone.
Emma will be ninety three years old in August.
Lights out in thirty two minutes, Matthew.
Our phone number is four nine seven eight five.
If it is snowy, we will go to the pharmacy.
Let's play darts after writing.
There is no muesli left, only dumplings.
""".strip().split("\n")
MAX_WRONG = 0.05


def spoken(text: str, folder: Path) -> Samples:
    clip_write(text, "demo-voice", folder / "clip.wav")
    return read_wav(folder / "clip.wav")


def heard(samples: Samples, folder: Path, bit_rate: int = 24_000) -> list[Segment]:
    path = write_opus(folder / "recording.ogg", samples, bit_rate)
    return list(transcriber_get().transcribe(path, language="en"))


def text_of(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


def test_at_most_5_percent_of_the_words_of_20_sentences_are_wrong(tmp_path: Path) -> None:
    wrong = dict.fromkeys(SENTENCES, 0)
    for sentence in SENTENCES:
        wrong[sentence] = word_errors(sentence, text_of(heard(spoken(sentence, tmp_path), tmp_path)))
    share = sum(wrong.values()) / sum(len(words(sentence)) for sentence in SENTENCES)
    print(f"\n{share:.1%} of the words wrong over {len(SENTENCES)} sentences, Opus 24 kb/s")
    assert share <= MAX_WRONG, {sentence: count for sentence, count in wrong.items() if count}


def test_a_recording_with_pauses_gives_each_sentence_its_time(tmp_path: Path) -> None:
    chosen = [SENTENCES[2], SENTENCES[8], SENTENCES[16]]
    starts, parts, position = [], [], 0
    for sentence, pause_s in zip(chosen, (2.0, 75.0, 40.0), strict=True):
        clip = spoken(sentence, tmp_path)
        parts += [silence(pause_s), clip]
        position += round(pause_s * RATE_HZ)
        starts.append(position / RATE_HZ + 0.1)  # the clip's own silence
        position += len(clip)
    segments = heard(np.concatenate(parts), tmp_path)
    assert [words(segment.text) for segment in segments] == [words(sentence) for sentence in chosen]
    assert [segment.start_s for segment in segments] == pytest.approx(starts, abs=0.35)


def test_the_times_of_the_words_follow_each_other(tmp_path: Path) -> None:
    clip = spoken(SENTENCES[8], tmp_path)
    (segment,) = heard(np.concatenate([silence(3), clip]), tmp_path)
    times = [time for word in segment.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(3.1, abs=0.35)
    assert times[-1] <= 3 + len(clip) / RATE_HZ + 0.1
    assert all(0 < word.probability <= 1 for word in segment.words)
    assert " ".join(word.text for word in segment.words) == segment.text


def test_silence_has_no_words(tmp_path: Path) -> None:
    assert heard(silence(20), tmp_path) == []


@pytest.mark.parametrize("level_db", [-60, -40, -20])
def test_noise_has_no_words(tmp_path: Path, level_db: int) -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(20 * RATE_HZ) * 32767 * 10 ** (level_db / 20) / 3
    assert heard(np.clip(noise, -32768, 32767).astype(np.int16), tmp_path) == []


def test_a_test_tone_has_no_words(tmp_path: Path) -> None:
    times = np.arange(10 * RATE_HZ) / RATE_HZ
    tone = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
    assert heard(tone, tmp_path) == []


def test_it_says_that_it_is_the_demo_model_and_is_loaded_once() -> None:
    transcriber = transcriber_get()
    assert (transcriber.model_name, transcriber.is_demo) == ("Demo recogniser", True)
    assert transcriber_get("de") is transcriber


def test_without_a_model_it_is_missing(models_root: Path, settings: Settings) -> None:
    settings.SPEECH_MODELS_SHIPPED_ROOT = models_root
    with pytest.raises(ModelMissing, match="No speech recogniser is installed"):
        transcriber_get()
