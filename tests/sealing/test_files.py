"""What a sealed file promises: unreadable without its key, readable when cut off, noticed when changed."""

import io
from itertools import accumulate

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given
from hypothesis import strategies as st

from sealing.files import MAGIC, MAX_FRAME_BYTES, SealedReader, SealedWriter, SealError, new_key

pytestmark = pytest.mark.unit


def sealed(parts: list[bytes], key: bytes, *, is_closed: bool = True) -> bytes:
    out = io.BytesIO()
    writer = SealedWriter(out.write, key)
    for part in parts:
        writer.put(part)
    if is_closed:
        writer.close()
    return out.getvalue()


def opened(data: bytes, key: bytes) -> SealedReader:
    return SealedReader(io.BytesIO(data), key)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_what_was_put_in_parts_is_read_as_one(parts: list[bytes]) -> None:
    key = new_key()
    reader = opened(sealed(parts, key), key)
    assert reader.is_whole
    assert reader.size_bytes == sum(map(len, parts))
    assert reader.readall() == b"".join(parts)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=20), st.data())
def test_any_range_can_be_read_from_the_middle(parts: list[bytes], data: st.DataObject) -> None:
    key, plain = new_key(), b"".join(parts)
    first = data.draw(st.integers(0, len(plain)))
    count = data.draw(st.integers(0, len(plain) + 10))
    reader = io.BufferedReader(opened(sealed(parts, key), key))
    reader.seek(first)
    assert reader.read(count) == plain[first : first + count]


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=10), st.data())
def test_a_file_that_was_cut_off_gives_all_whole_frames(parts: list[bytes], data: st.DataObject) -> None:
    key = new_key()
    whole = sealed(parts, key, is_closed=False)
    cut = data.draw(st.integers(len(MAGIC), len(whole)))
    frame_ends = list(accumulate((len(part) + 20 for part in parts), initial=len(MAGIC)))
    kept = sum(end <= cut for end in frame_ends) - 1
    reader = opened(whole[:cut], key)
    assert not reader.is_whole
    assert reader.readall() == b"".join(parts[:kept])


def test_a_large_part_is_split_into_frames() -> None:
    key, plain = new_key(), bytes(range(256)) * 1024
    data = sealed([plain], key)
    assert len(data) == len(MAGIC) + len(plain) + (len(plain) // MAX_FRAME_BYTES + 1) * 20
    assert opened(data, key).readall() == plain


def test_the_words_cannot_be_found_in_the_file() -> None:
    secret = b"the soup is ready " * 50
    assert b"soup" not in sealed([secret], new_key())


@given(st.data())
def test_one_changed_bit_is_noticed(data: st.DataObject) -> None:
    key = new_key()
    whole = bytearray(sealed([b"first part", b"second part"], key))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << (bit % 8)
    try:
        reader = opened(bytes(whole), key)
        plain = reader.readall()
    except SealError:
        return
    # A changed length can only look like a file that was cut off.
    assert not reader.is_whole
    assert b"first partsecond part".startswith(plain)


def test_frames_cannot_change_places() -> None:
    key = new_key()
    data = sealed([b"11111111", b"22222222"], key)
    one, two = data[8:36], data[36:64]
    with pytest.raises(SealError):
        opened(MAGIC + two + one + data[64:], key).readall()


def test_a_whole_file_cannot_lose_a_frame_in_the_middle() -> None:
    key = new_key()
    data = sealed([b"11111111", b"22222222"], key)
    with pytest.raises(SealError):
        opened(data[:36] + data[64:], key)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(SealError):
        opened(sealed([b"words"], new_key()), new_key())


def test_a_file_that_is_not_sealed_says_so() -> None:
    with pytest.raises(SealError, match="not sealed"):
        opened(b"OggS and more", new_key())


def test_the_cipher_is_aes_256_gcm_siv_with_the_frame_number_as_nonce() -> None:
    """The format is written down, so that another program can read what this one left."""
    key = new_key()
    data = sealed([b"words"], key)
    word, cipher_text = data[8:12], data[12:33]
    assert word == (5).to_bytes(4, "big")
    assert AESGCMSIV(key).decrypt(bytes(12), cipher_text, word) == b"words"


def test_after_a_write_that_was_refused_the_file_goes_on() -> None:
    key, out, refuses = new_key(), io.BytesIO(), [False]

    def write(data: bytes) -> None:
        if refuses[0]:
            raise OSError("disk full")
        out.write(data)

    writer = SealedWriter(write, key)
    writer.put(b"before ")
    refuses[0] = True
    with pytest.raises(OSError, match="disk full"):
        writer.put(b"lost")
    refuses[0] = False
    writer.put(b"after")
    writer.close()
    assert opened(out.getvalue(), key).readall() == b"before after"
