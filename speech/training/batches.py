"""Corpus to batches: tokens with time stamps, phone labels, and the span of each token for the guided head."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from household import sentence
from model import PAD_POSITIONS, SPECIAL
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

RATE_HZ, FRAMES_PER_S = 16_000, 50
_VOCABULARY = 1000
_IGNORE = -100
_STAMP_WEIGHT = 0.5


def make_tokenizer(path: Path) -> Tokenizer:
    """Byte-level BPE, then Whisper's special tokens, then 1,501 time stamps, in the order that Whisper code needs."""
    rng = random.Random(123)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # faster-whisper bans the first token of " -", " '" and " ♪". Were that the bare space, every word whose first
    # piece is the bare space could never be written; so these become tokens of their own.
    signs = [f" {sign}" for sign in "-'♩♪♫♬♭♮♯"] * 40000
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=_VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(signs + [f" {sentence(rng)}" for _ in range(30000)], trainer)
    tokenizer.add_special_tokens([*SPECIAL, *(f"<|{i * 0.02:.2f}|>" for i in range(1501))])
    tokenizer.save(str(path))
    return tokenizer


@dataclass
class Utterance:
    """One entry of the corpus; `spans` are seconds for each token, or None when the words have no times."""

    text: str
    source: str
    samples: NDArray[np.int16]
    phones: list[tuple[str, float, float]]
    tokens: list[int] = field(default_factory=list)
    spans: list[tuple[float, float]] | None = None

    @property
    def duration_s(self) -> float:
        return len(self.samples) / RATE_HZ

    @property
    def is_demo(self) -> bool:
        return self.source.startswith("demo")

    def wave(self) -> NDArray[np.float32]:
        return np.asarray(self.samples, np.float32) / 32768


def load_corpus(folder: Path, pattern: str, tokenizer: Tokenizer) -> list[Utterance]:
    """Every part that matches; the samples stay on disk."""
    utterances = []
    for path in sorted(folder.glob(f"{pattern}.json")):
        samples = np.load(path.with_suffix(".npy"), mmap_mode="r")
        for entry in json.loads(path.read_text(encoding="utf-8")):
            utterance = Utterance(
                entry["text"],
                entry["src"],
                samples[entry["pos"] : entry["pos"] + entry["len"]],
                [tuple(phone) for phone in entry["phones"]],
            )
            _tokenize(utterance, _shared_spans(entry["words"]), tokenizer)
            utterances.append(utterance)
    return utterances


def _shared_spans(words: list[list[float | None]]) -> list[list[float]] | None:
    """Words that espeak joined to a neighbour ("in the") share the neighbour's span."""
    spans = [list(word) for word in words]
    for i in range(1, len(spans)):
        if spans[i][0] is None:
            spans[i] = list(spans[i - 1])
    for i in range(len(spans) - 2, -1, -1):
        if spans[i][0] is None:
            spans[i] = list(spans[i + 1])
    return spans if spans and spans[0][0] is not None else None


def _tokenize(utterance: Utterance, words: list[list[float]] | None, tokenizer: Tokenizer) -> None:
    """A word's span is shared among its tokens by their letters."""
    utterance.spans = None if words is None else []
    for i, word in enumerate(utterance.text.split()):
        encoded = tokenizer.encode(f" {word}", add_special_tokens=False)
        utterance.tokens += encoded.ids
        if words is None:
            continue
        start, end = words[i]
        letters, done = sum(map(len, encoded.tokens)) - 1, 0
        for j, piece in enumerate(encoded.tokens):
            size = len(piece) - (j == 0)
            share = (end - start) / letters
            utterance.spans.append((start + share * done, start + share * (done + size)))
            done += size


def phone_numbers(utterances: list[Utterance]) -> dict[str, int]:
    """Phones heard at least 20 times, numbered from 1; 0 is no sound."""
    counts: dict[str, int] = {}
    for utterance in utterances:
        for name, _start, _end in utterance.phones:
            counts[name] = counts.get(name, 0) + 1
    return {name: i + 1 for i, name in enumerate(sorted(name for name in counts if counts[name] >= 20))}


@dataclass
class Batch:
    """B windows: audio [B, samples], `end` of content, tokens [B, N], loss weight [B, N], and the two guides."""

    audio: Tensor
    end: Tensor
    tokens: Tensor
    weight: Tensor
    guide: Tensor  # [B, N, positions]: where a token is spoken
    guided: Tensor  # [B, N]: tokens that have a place
    phones: Tensor  # [B, positions]


@dataclass
class _Placed:
    utterance: Utterance
    at_s: float
    is_cut: bool  # by the end of the window


class Batcher:
    """Random windows of one to a few sentences, as a recording has them."""

    def __init__(
        self,
        corpus: list[Utterance],
        tokenizer: Tokenizer,
        phones: dict[str, int],
        seed: int,
        demo_share: float,
    ) -> None:
        self._rng, self._noise = random.Random(seed), np.random.default_rng(seed)
        self._corpus, self._phones, self._demo_share = corpus, phones, demo_share
        self._demo = [utterance for utterance in corpus if utterance.is_demo]
        self._other = [utterance for utterance in corpus if not utterance.is_demo]
        self._id = {token: tokenizer.token_to_id(token) for token in SPECIAL}

    def batch(self, length_s: float, size: int) -> Batch:
        windows = [self._window(length_s) for _ in range(size)]
        frames = int(length_s * FRAMES_PER_S)
        longest = max(len(window[2]) for window in windows)
        tokens = torch.full((size, longest), self._id["<|endoftext|>"])
        weight = torch.zeros(size, longest)
        guide = torch.zeros(size, longest, frames + PAD_POSITIONS, dtype=torch.bool)
        guided = torch.zeros(size, longest, dtype=torch.bool)
        phones = torch.from_numpy(np.stack([window[5] for window in windows]))
        for i, (_audio, end, row, weights, spans, _labels) in enumerate(windows):
            tokens[i, : len(row)] = torch.tensor(row)
            weight[i, : len(row)] = torch.tensor(weights, dtype=torch.float)
            phones[i, int(end / 320) :] = _IGNORE
            for j, span in enumerate(spans):
                first = int(span[0] * FRAMES_PER_S) - 2 if span else frames
                if first < frames:
                    guide[i, j, max(0, first) : min(int(span[1] * FRAMES_PER_S) + 3, frames)] = True
                    guided[i, j] = True
        audio = torch.from_numpy(np.stack([window[0] for window in windows]))
        return Batch(
            audio, torch.tensor([window[1] for window in windows]), tokens, weight, guide, guided, phones
        )

    def _window(self, length_s: float):
        """Audio, end of content, tokens, weights, spans, phone labels of one window."""
        rng, size = self._rng, int(length_s * RATE_HZ)
        is_stamped = rng.random() < (0.75 if length_s > 4 else 0.4)
        audio = np.zeros(size, np.float32)
        placed: list[_Placed] = []
        end = size if rng.random() < 0.5 else int(size * rng.random())
        if rng.random() >= 0.03:
            placed = self._place(audio, length_s, is_stamped)
            last = placed[-1]
            if last.is_cut or rng.random() < 0.3:
                end = size
            else:
                end = min(size, int((last.at_s + last.utterance.duration_s + rng.uniform(0, 0.8)) * RATE_HZ))
        if rng.random() < 0.3:
            audio += self._noise.standard_normal(size).astype(np.float32) * 10 ** (-rng.uniform(40, 75) / 20)
        tokens, weights, spans = self._written(placed, is_stamped)
        return audio, end, tokens, weights, spans, self._labels(placed, int(length_s * FRAMES_PER_S))

    def _pick(self) -> Utterance:
        return self._rng.choice(self._demo if self._rng.random() < self._demo_share else self._other)

    def _place(self, audio: NDArray[np.float32], length_s: float, is_stamped: bool) -> list[_Placed]:
        """Speak utterances into `audio` until it is full or enough."""
        rng = self._rng
        placed: list[_Placed] = []
        at_s = rng.choice([0, 0, rng.uniform(0, 0.5), rng.uniform(0, 1.0)])
        while True:
            utterance = self._pick()
            is_cut = at_s + utterance.duration_s > length_s
            if is_cut and not placed:
                if utterance.duration_s > length_s - 0.02:
                    continue
                at_s, is_cut = rng.uniform(0, length_s - utterance.duration_s), False
            if is_cut and not (is_stamped and length_s - at_s > 0.4 and rng.random() < 0.9):
                return placed
            first = int(at_s * RATE_HZ)
            wave = utterance.wave()[: len(audio) - first] * 10 ** (0 if is_cut else rng.uniform(-6, 0) / 20)
            audio[first : first + len(wave)] += wave
            placed.append(_Placed(utterance, at_s, is_cut))
            at_s += utterance.duration_s + rng.choice(
                [rng.uniform(0.05, 0.4), rng.uniform(0.3, 1.2), rng.uniform(0.3, 3)]
            )
            if is_cut or length_s <= 4 or rng.random() < 0.06:
                return placed

    def _written(self, placed: list[_Placed], is_stamped: bool):
        """Tokens with the weight of each in the loss and the span in which it is spoken."""
        rng = self._rng
        row: list[tuple[int, float, tuple[float, float] | None]] = []
        if placed and rng.random() < 0.3:  # the text before this window, as Whisper may be given it
            row += [
                (token, 0, None) for token in [self._id["<|startofprev|>"], *rng.choice(self._corpus).tokens]
            ]
        row.append((self._id["<|startoftranscript|>"], 0, None))
        if not placed and rng.random() < 0.5:
            row.append((self._id["<|nospeech|>"], 1, None))
        elif not placed or not is_stamped:
            row.append((self._id["<|notimestamps|>"], 0, None))
        for i, place in enumerate(placed):
            utterance, at_s = place.utterance, place.at_s
            start_s = at_s + utterance.phones[0][1]
            if is_stamped:
                row.append((self._stamp(start_s if i else min(start_s, 1.0)), _STAMP_WEIGHT, None))
            if place.is_cut:  # only its start is told; the next window begins there
                break
            spans = utterance.spans or [None] * len(utterance.tokens)
            row += [
                (token, 1, span and (at_s + span[0], at_s + span[1]))
                for token, span in zip(utterance.tokens, spans, strict=False)
            ]
            if is_stamped:
                row.append((self._stamp(at_s + utterance.phones[-1][2]), _STAMP_WEIGHT, None))
        row.append((self._id["<|endoftext|>"], 1, None))
        return [list(column) for column in zip(*row, strict=False)]

    def _stamp(self, seconds: float) -> int:
        return self._id["<|notimestamps|>"] + 1 + max(0, min(1500, round(seconds * FRAMES_PER_S)))

    def _labels(self, placed: list[_Placed], frames: int) -> NDArray[np.int64]:
        labels = np.zeros(frames, np.int64)
        for place in placed:
            for name, start, end in place.utterance.phones:
                first, last = (round((place.at_s + edge) * FRAMES_PER_S) for edge in (start, end))
                labels[first : min(last, frames)] = self._phones.get(name, _IGNORE)
        return labels
