"""Measure a recogniser with the real libraries: voice -> channel -> faster-whisper -> words, as a table.

The household sentences are held out of every training; the product's phrases are not, and their figure says only
that they were learnt. Free sentences are of the loose grammar with another seed.
"""

import argparse
import os
import random
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from channel import RATE_HZ, Samples, normalised, opus_round_trip
from everyday import PRODUCT, loose_sentence
from faster_whisper import WhisperModel
from household import sentence
from make_corpus import DEMO_VOICE, TEST_VOICES, held_out
from scoring import Score, words
from speaker import Speaker

_SEED = 4242
_EDGES = (round(0.3 * RATE_HZ), round(0.4 * RATE_HZ))
Condition = Callable[[str], Samples]


def household(count: int) -> list[str]:
    rng = random.Random(_SEED)
    texts: list[str] = []
    while len(texts) < count:
        text = sentence(rng)
        if held_out(text):
            texts.append(text)
    return texts


def free(count: int) -> list[str]:
    rng = random.Random(_SEED)
    return [loose_sentence(rng) for _ in range(count)]


def product() -> list[str]:
    return [text for text in PRODUCT if "{" not in text]


class Bench:
    def __init__(self, folder: Path, threads: int) -> None:
        self._rng, self._noise = random.Random(_SEED), np.random.default_rng(_SEED)
        self._speaker = Speaker(DEMO_VOICE)
        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
        )

    def heard(self, samples: Samples, beam: int = 5) -> str:
        segments, _info = self._model.transcribe(
            samples, language="en", beam_size=beam, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(segment.text.strip() for segment in segments)

    def demo(self, text: str, scale: float | None = None) -> Samples:
        return np.pad(normalised(self._speaker.piper(text, scale).samples, 0.7), _EDGES)

    def stranger(self, text: str) -> Samples:
        """An espeak-ng voice that was never trained on."""
        rng = self._rng
        voice = rng.choice(TEST_VOICES)
        utterance = self._speaker.espeak(text, voice, rng.randint(140, 200), rng.randint(35, 65), 50)
        return np.pad(normalised(utterance.samples, 0.7), _EDGES)

    def opus(self, samples: Samples, kbps: int = 24, loss: float = 0.0) -> Samples:
        return opus_round_trip(samples, kbps, self._rng, loss)

    def noisy(self, samples: Samples, ratio_db: float) -> Samples:
        level = np.sqrt((samples**2).mean()) * 10 ** (-ratio_db / 20)
        return (samples + self._noise.standard_normal(len(samples)) * level).astype(np.float32)

    def conditions(self) -> dict[str, Condition]:
        return {
            "demo voice, clean": self.demo,
            "demo voice, Opus 24 kb/s": lambda text: self.opus(self.demo(text)),
            "demo voice, Opus 32 kb/s, -20 dB": lambda text: self.opus(self.demo(text) * np.float32(0.1), 32),
            "demo voice, double speed, Opus": lambda text: self.opus(self.demo(text, 0.6)),
            "demo voice, noise at 15 dB, Opus": lambda text: self.opus(self.noisy(self.demo(text), 15)),
            "demo voice, Opus, 2 % lost": lambda text: self.opus(self.demo(text), loss=0.02),
            "demo voice, Opus, 5 % lost": lambda text: self.opus(self.demo(text), loss=0.05),
            "strange voices, Opus": lambda text: self.opus(self.stranger(text)),
        }


def score(bench: Bench, texts: list[str], condition: Condition, shown: list[str] | None = None) -> Score:
    result = Score()
    for text in texts:
        heard = bench.heard(condition(text))
        if result.add(text, heard) and shown is not None:
            shown.append(f"  {text} | {heard}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="CTranslate2 folder")
    parser.add_argument("--count", type=int, default=100, help="sentences of each kind (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="the sentences that were heard wrong")
    options = parser.parse_args()
    bench = Bench(options.model, options.threads)
    opus = bench.conditions()["demo voice, Opus 24 kb/s"]
    shown: list[str] | None = [] if options.show else None
    for name, condition in bench.conditions().items():
        print(f"| household | {name} | {score(bench, household(options.count), condition)} |", flush=True)
    print(
        f"| product phrases | demo voice, Opus 24 kb/s | {score(bench, product(), opus, shown)} |", flush=True
    )
    print(
        f"| free sentences | demo voice, Opus 24 kb/s | {score(bench, free(options.count), opus)} |",
        flush=True,
    )
    for name, samples in {
        "silence": np.zeros(5 * RATE_HZ, np.float32),
        "noise at -50 dB": (np.random.default_rng(1).standard_normal(5 * RATE_HZ) * 0.003).astype(np.float32),
    }.items():
        print(f"| 5 s of {name} | | {len(words(bench.heard(samples)))} words |")
    print(*(shown or []), sep="\n")


if __name__ == "__main__":
    main()
