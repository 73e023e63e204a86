"""Speech for the recogniser: OUT/PART.npy (16 kHz int16, all utterances one after another) and OUT/PART.json.

A share of the utterances is spoken by the demo voice, the rest by espeak-ng in many voices, speeds and pitches.
Each goes one random way through channel.degraded(). A part named test* has only sentences and espeak voices that
no other part has.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import words
from channel import RATE_HZ, degraded
from everyday import PRODUCT, sentence
from household import sentence as household_sentence
from speaker import Speaker, Utterance

HERE = Path(__file__).resolve().parent
DEMO_VOICE = HERE.parent / "models" / "demo-voice" / "demo.onnx"
_ACCENTS = ("en-us", "en-us", "en", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-us-nyc")
_VARIANTS = words.listed("""
+m1 +m2 +m3 +m4 +m5 +m6 +m7 +f1 +f2 +f3 +f4 +Andy +Annie +Lee +Michael +Alicia +belinda +john +max +klatt
+klatt3 +steph2 +adam +linda
""")
TRAIN_VOICES = [accent + variant for accent in _ACCENTS for variant in ("", *_VARIANTS)]
_TEST_VARIANTS = words.listed("""
+m8 +f5 +steph +klatt2 +anika +paul +robert +Mario
""")
TEST_VOICES = [accent + variant for accent in ("en-us", "en") for variant in _TEST_VARIANTS]
_HELD_OUT_OF = 17
_MIN_SAMPLES, _MAX_S = 6000, 9.4
_MARGIN_S = 0.1


def held_out(text: str) -> bool:
    """Whether a sentence is kept from training, by its letters. Fixed phrases of the product never are."""
    return text not in PRODUCT and sum(ord(char) * (i + 1) for i, char in enumerate(text)) % _HELD_OUT_OF == 0


def length_scale(rng: random.Random) -> float:
    """Mostly near the voice's own 1.2; sometimes hurried, seldom slow."""
    kind = rng.random()
    if kind < 0.6:
        return rng.uniform(0.95, 1.35)
    return rng.uniform(0.6, 1.0) if kind < 0.9 else rng.uniform(1.3, 1.6)


def spoken(
    text: str, speaker: Speaker, is_test: bool, demo_share: float, rng: random.Random
) -> tuple[str, Utterance]:
    """Who spoke, and the utterance."""
    if rng.random() < demo_share:
        scale = length_scale(rng)
        return f"demo:{scale:.2f}", speaker.piper(text, scale)
    voice = rng.choice(TEST_VOICES if is_test else TRAIN_VOICES)
    rate = rng.randint(130, 230)
    return f"{voice}:{rate}", speaker.espeak(text, voice, rate, rng.randint(25, 75), rng.randint(20, 80))


def trimmed(utterance: Utterance) -> tuple[np.ndarray, float]:
    """The samples with at most 0.1 s around the speech, and the seconds that were cut from the front."""
    first = max(0, int((utterance.phones[0][1] - _MARGIN_S) * RATE_HZ))
    last = min(len(utterance.samples), int((utterance.phones[-1][2] + _MARGIN_S) * RATE_HZ))
    return utterance.samples[first:last], first / RATE_HZ


def make_part(out: Path, part: str, count: int, seed: int, demo_share: float, voice: Path) -> None:
    is_test = part.startswith("test")
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    speaker = Speaker(voice)
    audio: list[np.ndarray] = []
    entries: list[dict] = []
    position = 0
    while len(entries) < count:
        text = household_sentence(rng) if is_test else sentence(rng)
        if held_out(text) != is_test:
            continue
        source, utterance = spoken(text, speaker, is_test, demo_share, rng)
        if not _MIN_SAMPLES <= len(utterance.samples) <= _MAX_S * RATE_HZ or not utterance.phones:
            continue
        samples, offset = trimmed(utterance)
        samples = (np.clip(degraded(samples, rng, noise), -1, 1) * 32767).astype(np.int16)
        audio.append(samples)
        entries.append(_entry(text, source, position, len(samples), utterance, offset))
        position += len(samples)
        if len(entries) % 500 == 0:
            print(f"{part}: {len(entries)} utterances, {position / RATE_HZ / 60:.0f} minutes", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / f"{part}.npy", np.concatenate(audio))
    (out / f"{part}.json").write_text(json.dumps(entries), encoding="utf-8")


def _entry(text: str, source: str, position: int, length: int, utterance: Utterance, offset: float) -> dict:
    def at(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds - offset, 3)

    return {
        "text": text,
        "src": source,
        "pos": position,
        "len": length,
        "words": [[at(start), at(end)] for start, end in utterance.words],
        "phones": [[name, at(start), at(end)] for name, start, end in utterance.phones],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the corpus")
    parser.add_argument("part", help="name; test* is held out")
    parser.add_argument("count", type=int, help="utterances")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--demo-share", type=float, default=0.5, help="spoken by the demo voice (default %(default)s)"
    )
    parser.add_argument("--voice", type=Path, default=DEMO_VOICE)
    options = parser.parse_args()
    make_part(options.out, options.part, options.count, options.seed, options.demo_share, options.voice)


if __name__ == "__main__":
    main()
