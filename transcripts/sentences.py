"""Words with times to sentences: cut after . ? ! and at pauses."""

from collections.abc import Iterable, Iterator

from transcripts.engine import Segment, Word

PAUSE_S = 0.8
_ENDS = (".", "?", "!", "…", "。", "？", "！")
_CLOSERS = "\"'”’»)]"
_TITLES = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "hr.", "fr.", "z.b.", "e.g.", "i.e."})


def sentences(words: Iterable[Word]) -> Iterator[Segment]:
    """Words in order of time; each word's text may begin with a space, as Whisper writes it."""
    current: list[Word] = []
    for word in words:
        if not word.text.strip():
            continue
        if current and word.start_s - current[-1].end_s > PAUSE_S:
            yield _segment(current)
            current = []
        current.append(word)
        if _ends_sentence(word.text):
            yield _segment(current)
            current = []
    if current:
        yield _segment(current)


def _ends_sentence(text: str) -> bool:
    bare = text.strip().rstrip(_CLOSERS)
    return bare.endswith(_ENDS) and bare.lower() not in _TITLES


def _segment(words: list[Word]) -> Segment:
    text = "".join(word.text for word in words).strip()
    plain = tuple(Word(word.text.strip(), word.start_s, word.end_s, word.probability) for word in words)
    return Segment(words[0].start_s, words[-1].end_s, text, plain)
