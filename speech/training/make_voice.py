"""Make the demo voice for piper-tts from nothing but espeak-ng: OUT/demo.onnx and OUT/demo.onnx.json.

No random numbers at work: the same text always gives the same samples, and this script the same file.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import onnx
import words
from diphones import PAUSE, RATE_HZ, VOICE, build_units, find_instances, pitch_period, speak_all
from household import sentence
from model_card import write_card
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from voice_graph import HOP, build, mu_law

_SEED, _SENTENCES = 7, 2500
# espeak-ng's mnemonics
_VOWELS = words.listed("""
a E I i i: V U u: 0 @ @2 I2 3 3: A: O: aI eI OI aU oU A@ O@ e@ i@3 aI@ @L a#
""")
_CONSONANTS = words.listed("""
p b t d k g tS dZ f v T D s z S Z h m n N l r w j t#
""")
_PAUSES = "^$.,;:?!"
# Characters of piper that this voice has no phone for, and what they sound like.
_LIKE = {
    "g": "ɡ",
    "ɫ": "l",
    "r": "ɹ",
    "ɚ": "ɚ",
    "ɝ": "ɜː",
    "o": "oʊ",
    "e": "eɪ",
    "a": "æ",
    "ɒ": "ɑː",
    "ɔ": "ɔː",
    "ɑ": "ɑː",
    "ɜ": "ɜː",
    "u": "uː",
    "ʔ": "t",
    "x": "h",
    "ɐ": "ə",
    "ᵻ": "ɪ",
    "ɨ": "ɪ",
}


def carriers() -> list[str]:
    """Nonsense words in espeak's mnemonics, so that every two phones meet at least once."""
    after_vowels = [f"t@{one}{two}t@" for one in _VOWELS for two in _VOWELS + _CONSONANTS]
    after_consonants = [f"t@{one}{two}@t" for one in _CONSONANTS for two in _VOWELS + _CONSONANTS]
    at_edges = [*_VOWELS, *(f"{one}A:" for one in _CONSONANTS), *(f"A:{one}" for one in _CONSONANTS)]
    return after_vowels + after_consonants + at_edges


def phoneme_ids(phones: list[str]) -> tuple[dict[str, list[int]], np.ndarray]:
    """Piper's map of phonemes to ids with our phones added, and the phone of each id (-1: none)."""
    ids = {phoneme: list(numbers) for phoneme, numbers in DEFAULT_PHONEME_ID_MAP.items()}
    following = max(number for numbers in ids.values() for number in numbers) + 1
    for phone in phones:
        if phone != PAUSE and phone not in ids:
            ids[phone] = [following]
            following += 1
    phone_of_id = np.full(256, -1)
    for number, phone in enumerate(phones):
        if phone != PAUSE:
            phone_of_id[ids[phone][0]] = number
    for char in _PAUSES:
        phone_of_id[ids[char][0]] = 0
    for char, like in _LIKE.items():
        if phone_of_id[ids[char][0]] < 0 and like in phones:
            phone_of_id[ids[char][0]] = phones.index(like)
    for char in ",.;:?!":
        ids[char] = ids[char] * 2  # twice the id of a pause is one more stretch of silence (100 ms)
    return ids, phone_of_id


def make_voice(out: Path) -> None:
    rng = random.Random(_SEED)
    spoken, clusters = speak_all([sentence(rng) for _ in range(_SENTENCES)], carriers())
    instances = find_instances(spoken, clusters)
    phones = [PAUSE, *sorted({phone for pair in instances for phone in pair} - {PAUSE})]
    units, bank = build_units(spoken, instances, pitch_period(spoken))
    ids, phone_of_id = phoneme_ids(phones)
    model = build(phones, units, mu_law(bank / max(1e-6, np.abs(bank).max())), phone_of_id)
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(model, out / "demo.onnx")
    config = {
        "audio": {"sample_rate": RATE_HZ, "quality": "low"},
        "espeak": {"voice": VOICE},
        "phoneme_type": "espeak",
        "num_symbols": 256,
        "num_speakers": 1,
        "speaker_id_map": {},
        "inference": {"noise_scale": 0.0, "length_scale": 1.2, "noise_w": 0.0},
        "phoneme_id_map": ids,
        "vowel_clusters": sorted(list(cluster) for cluster in clusters),
        "hop_length": HOP,
        "language": {"code": "en_US", "family": "en", "region": "US", "name_english": "English"},
        "dataset": "espeak-ng diphones",
        "piper_version": "1.8.0",
    }
    (out / "demo.onnx.json").write_text(json.dumps(config, ensure_ascii=False, indent=1), encoding="utf-8")
    write_card(out, "demo-voice")
    size_mb = (out / "demo.onnx").stat().st_size / 1e6
    print(f"{len(phones)} phones, {len(units)} diphones, {len(bank)} pitch periods, {size_mb:.3f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    make_voice(parser.parse_args().out)


if __name__ == "__main__":
    main()
