"""One voice as an Ogg Opus file: packets as they came, each at its place, and what stands for the lost ones."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media.packets import MicPacket, signed16
from media.recording.ogg import PRE_SKIP_SAMPLES, OggOpusWriter
from media.recording.timeline import Placed, Reorderer, WallLine
from protocol.audio import SAMPLE_RATE_HZ
from sealing.files import SealedWriter
from sound.opus import packet_samples, silence_packets

_MOST_CONCEALED: Final = 5  # packets; a decoder that makes up more than 100 ms is silent by then
_ONE_FRAME: Final = 0xFC  # of a table of contents, RFC 6716 section 3.1: the same coding, one frame


@dataclass(frozen=True, kw_only=True)
class FinishedFile:
    path: Path
    duration_s: float
    size_bytes: int
    packets_lost: int


class VoiceFile:
    """The file itself: `PATH.part` while it grows, PATH once it is finished; sealed, where there is a key.

    Used by one thread.

    Sample 0 is the moment `started_at_s` (monotonic). Every method raises OSError as the disk does.
    """

    def __init__(self, path: Path, *, started_at_s: float, key: bytes | None = None) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._started_at_s = started_at_s
        self._order = Reorderer()
        self._line = WallLine(started_at_s=started_at_s)
        self._newest: MicPacket | None = None
        self._size_bytes = 0
        self._sealed = SealedWriter(self._write, key) if key is not None else None
        put = self._sealed.put if self._sealed is not None else self._write
        self._ogg = OggOpusWriter(put, serial=secrets.randbits(32))
        self.packets_dropped = 0

    def write(self, packets: list[MicPacket]) -> None:
        """Add packets and put all that is in order on disk."""
        for packet in packets:
            for ordered in self._order.push(packet):
                self._add_all(self._line.push(ordered))
        self._ogg.flush()

    def finish(self, *, ended_at_s: float) -> FinishedFile:
        """Fill with silence up to the end, close and rename."""
        try:
            for packet in self._order.flush():
                self._add_all(self._line.push(packet))
            self._add_all(self._line.flush())
            end = round((ended_at_s - self._started_at_s) * SAMPLE_RATE_HZ)
            self._fill(silence_packets(max(0, end + PRE_SKIP_SAMPLES - self._ogg.samples)))
            self._ogg.close()
            if self._sealed is not None:
                self._sealed.close()
        finally:
            os.close(self._file)
        self._part.rename(self._path)
        return FinishedFile(
            path=self._path,
            duration_s=max(0, self._ogg.samples - PRE_SKIP_SAMPLES) / SAMPLE_RATE_HZ,
            size_bytes=self._size_bytes,
            packets_lost=self._order.lost,
        )

    def discard(self) -> None:
        os.close(self._file)
        self._part.unlink(missing_ok=True)

    def _add_all(self, placed: Iterable[Placed]) -> None:
        for position, packet in placed:
            self._add(position, packet)

    def _add(self, position: int, packet: MicPacket) -> None:
        try:
            samples = packet_samples(packet.payload)
        except ValueError:
            self.packets_dropped += 1
            return
        gap = position - self._ogg.samples
        if gap <= -samples // 2:
            self.packets_dropped += 1
            return
        self._fill(self._lost_before(packet, gap) or silence_packets(max(0, gap)))
        self._ogg.packet(packet.payload, samples)
        self._newest = packet

    def _lost_before(self, packet: MicPacket, gap: int) -> list[bytes]:
        """Packets without sound for those that were lost (RFC 7845 section 4.1); none where it is a pause."""
        before = self._newest
        if before is None or before.source != packet.source:
            return []
        lost = signed16(packet.sequence_number - before.sequence_number) - 1
        empty = bytes([before.payload[0] & _ONE_FRAME])
        is_loss = 0 < lost <= _MOST_CONCEALED and lost * packet_samples(empty) == gap
        return [empty] * lost if is_loss else []

    def _fill(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self._ogg.packet(payload, packet_samples(payload))

    def _write(self, data: bytes) -> None:
        """All of it, or nothing: half a page would spoil what comes after the disk has room again."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self._size_bytes)
            os.lseek(self._file, self._size_bytes, os.SEEK_SET)
            raise
        self._size_bytes += len(data)
