"""A sealed file: AES-256-GCM-SIV (RFC 8452) in frames, so that it can grow, be cut off, and be read from the middle.

A file is the magic and then frames. A frame is four bytes, big-endian: the length of its plain text, with the
top bit set in the last frame; then the cipher text and its tag of 16 bytes. The nonce is the frame's number, and
the four bytes are authenticated with it, so frames cannot be swapped, dropped or added without notice: the STREAM
construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015). Numbers serve as nonces because a key seals one file only;
a frame that the disk refused is sealed anew under its number, which this cipher, unlike plain GCM, forgives.

A file without a last frame was cut off, as by a killed process: what is whole can be read.
"""

import io
import os
import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

MAGIC: Final = b"HLSEAL\x00\x01"
KEY_BYTES: Final = 32
MAX_FRAME_BYTES: Final = 64 * 1024

_WORD: Final = struct.Struct(">I")
_LAST: Final = 0x8000_0000
_TAG_BYTES: Final = 16


class SealError(OSError):
    """This is no sealed file, or it was changed, or the key is another file's."""


def new_key() -> bytes:
    """Thirty-two random bytes, for one file."""
    return os.urandom(KEY_BYTES)


class SealedWriter:
    """Seals what it is given and hands it to `write`, which takes all of it or raises and takes nothing.

    What `put` returned from can be read, also without `close`.
    """

    def __init__(self, write: Callable[[bytes], object], key: bytes) -> None:
        self._write, self._cipher, self._number = write, AESGCMSIV(key), 0
        write(MAGIC)

    def put(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_FRAME_BYTES):
            self._frame(data[start : start + MAX_FRAME_BYTES], 0)

    def close(self) -> None:
        """Mark the end. Nothing may be put after it."""
        self._frame(b"", _LAST)

    def _frame(self, plain: bytes, flag: int) -> None:
        word = _WORD.pack(len(plain) | flag)
        self._write(word + self._cipher.encrypt(_nonce(self._number), plain, word))
        self._number += 1


class SealedReader(io.RawIOBase):
    """The plain bytes of a sealed file, to read and seek. Raises SealError. Closes `file` with itself."""

    def __init__(self, file: BinaryIO, key: bytes) -> None:
        super().__init__()
        self._file, self._cipher = file, AESGCMSIV(key)
        if file.read(len(MAGIC)) != MAGIC:
            raise SealError("This file is not sealed.")
        self._places: list[int] = []  # of each frame, in the file
        self._starts: list[int] = []  # of each frame, in the plain bytes
        self.size_bytes = 0
        self.is_whole = False
        self._at = 0
        self._open_number, self._open_frame = -1, b""
        self._index()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: "memoryview[int] | bytearray") -> int:  # type: ignore[override]
        if self._at >= self.size_bytes:
            return 0
        number = bisect_right(self._starts, self._at) - 1
        frame = self._frame(number)
        first = self._at - self._starts[number]
        part = frame[first : first + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _index(self) -> None:
        """Note where the frames are. One that is not all there ends the file."""
        end = self._file.seek(0, io.SEEK_END)
        place = len(MAGIC)
        while not self.is_whole and place + _WORD.size <= end:
            self._file.seek(place)
            (word,) = _WORD.unpack(self._file.read(_WORD.size))
            length = word & ~_LAST
            after = place + _WORD.size + length + _TAG_BYTES
            if length > MAX_FRAME_BYTES or after > end:
                return
            self._places.append(place)
            self._starts.append(self.size_bytes)
            self.size_bytes += length
            self.is_whole = bool(word & _LAST)
            place = after
        if self.is_whole:
            self._frame(len(self._places) - 1)

    def _frame(self, number: int) -> bytes:
        if number != self._open_number:
            self._file.seek(self._places[number])
            word = self._file.read(_WORD.size)
            length = _WORD.unpack(word)[0] & ~_LAST
            try:
                plain = self._cipher.decrypt(_nonce(number), self._file.read(length + _TAG_BYTES), word)
            except InvalidTag:
                raise SealError("This file was changed, or its key is another one.") from None
            self._open_number, self._open_frame = number, plain
        return self._open_frame


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
