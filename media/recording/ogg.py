"""Ogg Opus files (RFC 3533, RFC 7845), written page by page from packets as they come."""

import struct
import zlib
from collections.abc import Callable
from typing import Final

from protocol.audio import CHANNEL_COUNT, SAMPLE_RATE_HZ

# The delay of an Opus encoder for voice. Skipping it puts what was said at the time at which it was said.
PRE_SKIP_SAMPLES: Final = 312
VENDOR: Final = b"Hearthline"

_FIRST, _LAST = 0x02, 0x04
_MAX_SEGMENTS: Final = 255
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_crc(data: bytes) -> int:
    """CRC-32 of RFC 3533 section 6: polynomial 0x04c11db7, not reflected, starting at 0.

    zlib's is the reflected one, so both sides are turned around; that is far faster than a loop in Python.
    """
    reflected = zlib.crc32(data.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED), "big")


def opus_head() -> bytes:
    """The identification header, RFC 7845 section 5.1: one channel, mapping family 0, no gain."""
    return b"OpusHead" + struct.pack("<BBHIhB", 1, CHANNEL_COUNT, PRE_SKIP_SAMPLES, SAMPLE_RATE_HZ, 0, 0)


def opus_tags() -> bytes:
    """The comment header, RFC 7845 section 5.2, without comments."""
    return b"OpusTags" + struct.pack("<I", len(VENDOR)) + VENDOR + struct.pack("<I", 0)


class OggOpusWriter:
    """Collects packets to pages and hands each page to `write` as one bytes object.

    A page leaves on `flush` or when its segment table is full, so what was flushed is playable.
    """

    def __init__(self, write: Callable[[bytes], object], *, serial: int) -> None:
        self._write = write
        self._serial = serial & 0xFFFF_FFFF
        self._page_number = 0
        self._lacing: list[int] = []
        self._body: list[bytes] = []
        self.samples = 0  # all that was written, at 48 kHz, the pre-skip included
        self._emit(opus_head(), flags=_FIRST)
        self._emit(opus_tags())

    def packet(self, payload: bytes, samples: int) -> None:
        """Add one packet that lasts `samples`. Raises ValueError where no page could hold it."""
        full, rest = divmod(len(payload), 255)
        if full + 1 > _MAX_SEGMENTS:
            raise ValueError("this packet is larger than an Ogg page")
        if len(self._lacing) + full + 1 > _MAX_SEGMENTS:
            self.flush()
        self._lacing += [255] * full
        self._lacing.append(rest)
        self._body.append(payload)
        self.samples += samples

    def flush(self) -> None:
        if self._lacing:
            self._page(0)

    def close(self) -> None:
        """Write the last page, which ends the stream. A stream without packets ends with an empty page."""
        self._page(_LAST)

    def _emit(self, payload: bytes, *, flags: int = 0) -> None:
        self.packet(payload, 0)
        self._page(flags)

    def _page(self, flags: int) -> None:
        header = struct.pack(
            "<4sBBQIIIB",
            b"OggS",
            0,
            flags,
            self.samples,
            self._serial,
            self._page_number,
            0,
            len(self._lacing),
        )
        page = header + bytes(self._lacing) + b"".join(self._body)
        self._write(page[:22] + struct.pack("<I", ogg_crc(page)) + page[26:])
        self._page_number = (self._page_number + 1) & 0xFFFF_FFFF
        self._lacing, self._body = [], []
