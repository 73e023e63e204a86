import pytest

from transcripts.engine import Word
from transcripts.sentences import sentences

pytestmark = pytest.mark.unit


def spoken(text: str, start_s: float = 0.0, step_s: float = 0.3) -> list[Word]:
    return [
        Word(f" {word}", start_s + i * step_s, start_s + i * step_s + 0.25, 0.9)
        for i, word in enumerate(text.split())
    ]


def test_it_cuts_at_the_ends_of_sentences() -> None:
    found = list(sentences(spoken("Dinner is ready. Are you coming? Yes!")))
    assert [segment.text for segment in found] == ["Dinner is ready.", "Are you coming?", "Yes!"]
    assert [found[1].start_s, found[1].end_s] == pytest.approx([0.9, 1.75])


def test_it_cuts_at_a_pause_without_punctuation() -> None:
    found = list(sentences([*spoken("Hello Anna"), *spoken("are you there", start_s=1.5)]))
    assert [segment.text for segment in found] == ["Hello Anna", "are you there"]


def test_a_short_pause_does_not_cut() -> None:
    (found,) = sentences([*spoken("Hello Anna"), *spoken("are you there", start_s=1.3)])
    assert found.text == "Hello Anna are you there"


def test_a_title_does_not_end_a_sentence() -> None:
    (found,) = sentences(spoken("Dr. Miller is here."))
    assert found.text == "Dr. Miller is here."


def test_words_have_no_spaces_and_empty_ones_are_left_out() -> None:
    (found,) = sentences([*spoken("Dinner is"), Word(" ", 0.6, 0.7, 0.1), *spoken("ready.", start_s=0.8)])
    assert [word.text for word in found.words] == ["Dinner", "is", "ready."]
    assert found.words[0].probability == 0.9


def test_nothing_gives_nothing() -> None:
    assert list(sentences([])) == []
