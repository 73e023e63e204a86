"""Speech with exact times: from espeak-ng itself, and from the demo voice through piper-tts."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from espeak_ct import Espeak, Event
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig
from scipy.signal import resample_poly

_SYNTHESIS_HZ = 22_050
_TO_16_KHZ = (320, 441)
_NO_SOUND = "^$ ,.?!;:ˈˌʲ"
_FAST = 450  # words per minute; only the order of the phonemes is wanted

Span = tuple[float | None, float | None]
Phone = tuple[str, float, float]


@dataclass(frozen=True)
class Utterance:
    """16 kHz samples; seconds for each word of the text (None where espeak joined it to another) and each phone."""

    samples: NDArray[np.float32]
    words: list[Span]
    phones: list[Phone]


class Speaker:
    def __init__(self, voice: Path) -> None:
        self._espeak = Espeak()
        self._piper = PiperVoice.load(voice)

    def espeak(self, text: str, voice: str, rate: int, pitch: int, pitch_range: int) -> Utterance:
        self._espeak.configure(voice, rate, pitch, pitch_range)
        audio, events = self._espeak.synthesize(text)
        phones, word_of = _phones(text, events, len(audio))
        sounding = [(phone, word) for phone, word in zip(phones, word_of, strict=False) if phone[0]]
        words = _word_spans(text, [(word, phone) for phone, word in sounding])
        samples = resample_poly(audio.astype(np.float32) / 32768, *_TO_16_KHZ).astype(np.float32)
        return Utterance(samples, words, [phone for phone, _word in sounding])

    def piper(self, text: str, length_scale: float | None = None) -> Utterance:
        audio, phones, position = [], [], 0
        config = SynthesisConfig(length_scale=length_scale)
        for chunk in self._piper.synthesize(text, config, include_alignments=True):
            at = position
            for aligned in chunk.phoneme_alignments or []:
                end = at + int(aligned.num_samples)
                if aligned.phoneme not in _NO_SOUND and end > at:
                    phones.append((aligned.phoneme, at / _SYNTHESIS_HZ, end / _SYNTHESIS_HZ))
                at = end
            audio.append(chunk.audio_float_array)
            position += len(chunk.audio_float_array)
        samples = resample_poly(np.concatenate(audio), *_TO_16_KHZ).astype(np.float32)
        return Utterance(samples, self._piper_words(text, phones), phones)

    def _piper_words(self, text: str, phones: list[Phone]) -> list[Span]:
        """Piper knows no words: its phones are matched with those that espeak speaks for the same text."""
        self._espeak.configure("en-us", _FAST, 50, 0)
        _audio, events = self._espeak.synthesize(text)
        theirs, word_of = _phones(text, events, 10**9)
        named = [(phone[0], word) for phone, word in zip(theirs, word_of, strict=False) if phone[0]]
        matcher = difflib.SequenceMatcher(None, [n for n, _ in named], [p[0] for p in phones], autojunk=False)
        pairs = [
            (named[block.a + i][1], phones[block.b + i])
            for block in matcher.get_matching_blocks()
            for i in range(block.size)
        ]
        return _word_spans(text, pairs)


def _phones(text: str, events: list[Event], length: int) -> tuple[list[Phone], list[int | None]]:
    """Phones in seconds (an empty name is a pause), and the number of the word that each belongs to."""
    word_starts = [match.start() for match in re.finditer(r"\S+", text)]
    edges = [event[1] for event in events if event[0] == "p"] + [length]
    phones: list[Phone] = []
    word_of: list[int | None] = []
    word: int | None = None
    for event in events:
        if event[0] == "w":
            word = sum(start <= event[2] - 1 for start in word_starts) - 1
        elif event[0] == "p":
            end = edges[len(phones) + 1]
            phones.append((event[2], event[1] / _SYNTHESIS_HZ, end / _SYNTHESIS_HZ))
            word_of.append(word)
    return phones, word_of


def _word_spans(text: str, pairs: list[tuple[int | None, Phone]]) -> list[Span]:
    spans: list[Span] = [(None, None)] * len(text.split())
    for word, (_name, start, end) in pairs:
        if word is not None:
            spans[word] = (start if spans[word][0] is None else spans[word][0], end)
    return spans
