"""A key as four words, which two people can compare over the telephone."""

from functools import cache
from pathlib import Path
from typing import Final

WORD_COUNT: Final = 4
# 2,048 words of three to eight letters, no two of which begin with the same four (BIP-39).
_BITS_A_WORD: Final = 11
_LIST: Final = Path(__file__).parent / "vendor" / "mnemonic" / "english.txt"


def fingerprint_words(fingerprint_sha256: str) -> list[str]:
    """The first 44 bits of a fingerprint (hex), eleven to a word. Raises ValueError for what is no fingerprint."""
    digest = bytes.fromhex(fingerprint_sha256)
    if len(digest) != 32:
        raise ValueError("A fingerprint has 32 bytes.")
    bits = int.from_bytes(digest) >> (256 - WORD_COUNT * _BITS_A_WORD)
    shifts = range((WORD_COUNT - 1) * _BITS_A_WORD, -1, -_BITS_A_WORD)
    return [_words()[bits >> shift & 2**_BITS_A_WORD - 1] for shift in shifts]


@cache
def _words() -> tuple[str, ...]:
    return tuple(_LIST.read_text(encoding="ascii").split())
