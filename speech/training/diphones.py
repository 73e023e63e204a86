"""Cut a monotone espeak-ng voice into diphones: from the middle of one phone to the middle of the next.

Each is kept as rows of one pitch period, so that a graph can lengthen it by repeating rows and change its pitch by
moving them (TD-PSOLA: Moulines and Charpentier 1990).
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from espeak_ct import Espeak, Event
from numpy.typing import NDArray
from piper.phonemize_espeak import _merge_known_vowel_clusters

RATE_HZ = 22_050
PAUSE = "_"
VOICE = "en-us"
_PITCH, _WORDS_PER_MINUTE = 68, 195
_PAUSE_EDGE_S = 0.04
_MIN_SAMPLES = 2000
_PAUSE_ROWS = 12

Span = tuple[str, int, int]  # phone, first and last sample
Pair = tuple[str, str]


@dataclass(frozen=True)
class Spoken:
    """A carrier is a nonsense word that makes two phones meet; real sentences are preferred to it."""

    samples: NDArray[np.float32]
    events: list[Event]
    is_carrier: bool


@dataclass(frozen=True)
class Instance:
    """One diphone as it was spoken: samples `start` to `end` of an utterance; the phones meet at `boundary`."""

    is_carrier: bool
    length: int
    utterance: int
    start: int
    boundary: int
    end: int


@dataclass(frozen=True)
class Unit:
    """Rows `first_row` to `first_row + periods` of the bank; the first phone has `share` of them."""

    first_row: int
    periods: int
    share: float


def speak_all(texts: list[str], carriers: list[str]) -> tuple[list[Spoken], set[tuple[str, ...]]]:
    """Every text at one pitch, and the phones of several characters that piper has to keep together."""
    espeak = Espeak()
    espeak.configure(VOICE, _WORDS_PER_MINUTE, _PITCH, 0)
    spoken, names = [], set()
    for number, text in enumerate(texts + carriers):
        is_carrier = number >= len(texts)
        samples, events = espeak.synthesize(text, are_phonemes=is_carrier)
        if len(samples) < _MIN_SAMPLES:
            continue
        names |= {event[2] for event in events if event[0] == "p" and len(event[2]) > 1}
        spoken.append(Spoken(samples.astype(np.float32) / 32768, events, is_carrier))
    return spoken, {tuple(name) for name in names}


def _characters(events: list[Event], length: int) -> list[Span]:
    """Phonemes to single characters, as piper has them; " " at words, PAUSE where espeak rests."""
    phonemes = [event for event in events if event[0] in "pw"]
    edges = [event[1] for event in phonemes if event[0] == "p"] + [length]
    spans: list[Span] = []
    number = 0
    for event in phonemes:
        if event[0] == "w":
            spans.append((" ", event[1], event[1]))
            continue
        start, end = edges[number], edges[number + 1]
        number += 1
        name = event[2]
        if not name:
            spans.append((PAUSE, start, end))
        for i, char in enumerate(name):
            spans.append(
                (char, start + (end - start) * i // len(name), start + (end - start) * (i + 1) // len(name))
            )
    return spans


def _phones(spans: list[Span], clusters: set[tuple[str, ...]], length: int) -> list[Span]:
    """The same greedy merging that piper does, with times; a pause at both ends."""
    merged = _merge_known_vowel_clusters([span[0] for span in spans], clusters)
    phones: list[Span] = []
    place = 0
    for name in merged:
        count = 1 if name in (PAUSE, " ") else max(1, len(name))
        start, end = spans[place][1], spans[place + count - 1][2]
        place += count
        if name == " ":
            continue
        if name == PAUSE and phones and phones[-1][0] == PAUSE:
            phones[-1] = (PAUSE, phones[-1][1], end)
        elif end > start:
            phones.append((name, start, end))
    if phones and phones[0][0] != PAUSE:
        phones.insert(0, (PAUSE, 0, phones[0][1]))
    if phones and phones[-1][0] != PAUSE:
        phones.append((PAUSE, phones[-1][2], length))
    return phones


def find_instances(spoken: list[Spoken], clusters: set[tuple[str, ...]]) -> dict[Pair, list[Instance]]:
    edge = int(_PAUSE_EDGE_S * RATE_HZ)
    instances: dict[Pair, list[Instance]] = defaultdict(list)
    for number, utterance in enumerate(spoken):
        phones = _phones(
            _characters(utterance.events, len(utterance.samples)), clusters, len(utterance.samples)
        )
        for (one, start, boundary), (two, second, last) in pairwise(phones):
            first = max(start, boundary - edge) if one == PAUSE else (start + boundary) // 2
            end = min(last, second + edge) if two == PAUSE else (second + last) // 2
            instances[one, two].append(
                Instance(utterance.is_carrier, end - first, number, first, boundary, end)
            )
    return instances


def pitch_period(spoken: list[Spoken]) -> float:
    """In samples: the median of the autocorrelation's peaks over loud frames."""
    size, periods = 2048, []
    for utterance in spoken[:40]:
        for start in range(0, len(utterance.samples) - size, size):
            frame = utterance.samples[start : start + size]
            if (frame**2).mean() > 1e-3:
                correlation = np.correlate(frame, frame, "full")[size - 1 :]
                lag = 150 + int(np.argmax(correlation[150:280]))
                if correlation[lag] > 0.6 * correlation[0]:
                    periods.append(lag)
    return float(np.median(periods))


def _pitch_marks(samples: NDArray[np.float32], period: float) -> NDArray[np.int64]:
    """Peaks of the fundamental where it is voiced, evenly spaced elsewhere."""
    fundamental = _band_passed(samples, 0.6 * RATE_HZ / period, 1.5 * RATE_HZ / period)
    energy = np.convolve(fundamental**2, np.ones(int(period)), "same")
    is_voiced = energy > 0.01 * energy.max()
    marks, at = [0], 0.0
    while at + 1.6 * period < len(samples):
        mark = at + period
        if is_voiced[int(mark)]:
            reach = int((0.15 if is_voiced[int(at)] else 0.5) * period)
            low = int(mark) - reach
            mark = low + int(np.argmax(fundamental[low : low + 2 * reach + 1]))
        marks.append(round(mark))
        at = mark
    return np.array(marks)


def _band_passed(samples: NDArray[np.float32], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(samples, 1 << int(np.ceil(np.log2(len(samples) + 4096))))
    frequencies = np.fft.rfftfreq((len(spectrum) - 1) * 2, 1 / RATE_HZ)
    gain = 1 / (1 + (frequencies / high_hz) ** 8) * (1 - 1 / (1 + (frequencies / low_hz) ** 8))
    return np.fft.irfft(spectrum * gain)[: len(samples)]


def is_vowel(phone: str) -> bool:
    return phone[0] in "aeiouæɐɑɔəɚɛɜɪʊʌᵻ"


def build_units(
    spoken: list[Spoken], instances: dict[Pair, list[Instance]], period: float
) -> tuple[dict[Pair, Unit], NDArray[np.float32]]:
    """One unit for each pair of phones, and the bank of rows [rows, period]."""
    size = round(period)
    marks: dict[int, NDArray[np.int64]] = {}
    units: dict[Pair, Unit] = {}
    bank: list[NDArray[np.float64]] = []
    instances[PAUSE, PAUSE] = []
    for pair in sorted(instances):
        if pair == (PAUSE, PAUSE):
            rows, share = [np.zeros(size)] * _PAUSE_ROWS, 0.5
        else:
            heard = [instance for instance in instances[pair] if not instance.is_carrier]
            if not heard and PAUSE not in pair and is_vowel(pair[0]) == is_vowel(pair[1]):
                continue  # two vowels or two consonants that no sentence has: not worth the bytes
            chosen = _typical(heard or instances[pair])
            samples = spoken[chosen.utterance].samples
            if chosen.utterance not in marks:
                marks[chosen.utterance] = _pitch_marks(samples, period)
            rows, share = _rows(samples, marks[chosen.utterance], chosen, size)
        units[pair] = Unit(len(bank), len(rows) - 1, share)
        bank += rows
    return units, np.array(bank, np.float32)


def _typical(instances: list[Instance]) -> Instance:
    """The one nearest to a rather short length: long ones carry the stress of their sentence."""
    length = np.quantile([instance.length for instance in instances], 0.4)
    return min(instances, key=lambda instance: (abs(instance.length - length), instance.utterance))


def _rows(
    samples: NDArray[np.float32], marks: NDArray[np.int64], instance: Instance, size: int
) -> tuple[list[NDArray[np.float64]], float]:
    """The pitch periods of an instance and one before them, each stretched to `size`; the first phone's share."""
    inside = np.where((marks >= instance.start) & (marks < instance.end))[0]
    if len(inside) == 0:
        inside = np.array([int(np.argmin(abs(marks - (instance.start + instance.end) / 2)))])
    is_inner = (inside > 0) & (inside < len(marks) - 1)
    inside = inside[is_inner] if len(inside) > 1 else np.clip(inside, 1, len(marks) - 2)
    rows = []
    for number in [inside[0] - 1, *inside]:
        period = samples[marks[number] : marks[number + 1]]
        places = np.linspace(0, len(period), size, endpoint=False)
        rows.append(np.interp(places, np.arange(len(period)), period))
    is_first = marks[inside] < instance.boundary
    return rows, float(np.clip(is_first.mean(), 0.1, 0.9)) if len(inside) > 1 else 0.5
