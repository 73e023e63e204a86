"""Four words for a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.words import fingerprint_words

pytestmark = pytest.mark.unit


def test_the_first_44_bits_choose_the_words() -> None:
    assert fingerprint_words("00" * 32) == ["abandon"] * 4
    assert fingerprint_words("ff" * 32) == ["zoo"] * 4
    # 0x00200400800: eleven bits each of 1, 1, 1, and of the last word 0
    assert fingerprint_words("0020040080".ljust(64, "0")) == ["ability", "ability", "ability", "abandon"]


def test_what_lies_behind_the_44_bits_changes_nothing_and_the_last_of_them_does() -> None:
    assert fingerprint_words("ab" * 32) == fingerprint_words(("ab" * 6)[:11] + "0" * 53)
    one, other = fingerprint_words("0" * 64), fingerprint_words("0" * 10 + "1" + "0" * 53)
    assert (one[:3], one[3]) == (other[:3], "abandon")
    assert other[3] == "ability"


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_other_bits_are_other_words(one: bytes, other: bytes) -> None:
    is_same = one.hex()[:11] == other.hex()[:11]
    assert (fingerprint_words(one.hex()) == fingerprint_words(other.hex())) is is_same


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "ab" * 33])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fingerprint|hexadecimal"):
        fingerprint_words(text)
