"""The line of sequence numbers and timestamps that one sender keeps, whatever it sends."""

from typing import Final

from media.packets import RESTART_DISTANCE, MicPacket, signed16
from protocol.audio import SAMPLE_RATE_HZ

_PAUSE_S: Final = 0.2


class RtpLine:
    """One outgoing line of sequence numbers and timestamps, whatever source feeds it.

    Gaps of a forwarded source stay gaps, so that the receiver can conceal them; a change of source
    continues by wall time and never runs backwards.
    """

    def __init__(self, *, sequence_number: int, timestamp: int) -> None:
        self._next_number = sequence_number & 0xFFFF
        self._timestamp = timestamp & 0xFFFF_FFFF  # of the newest packet
        self._sent_at_s: float | None = None
        self._source: tuple[int, int] | None = None
        self._number_offset = 0
        self._timestamp_offset = 0
        self._first_number = 0

    def forward(self, packet: MicPacket) -> tuple[int, int] | None:
        """(sequence number, timestamp) for a packet of another leg; None for one from before the change."""
        ahead = signed16(packet.sequence_number + self._number_offset - self._next_number)
        if packet.source != self._source or abs(ahead) > RESTART_DISTANCE:
            self._anchor(packet)
            ahead = 0
        number = (packet.sequence_number + self._number_offset) & 0xFFFF
        timestamp = (packet.timestamp + self._timestamp_offset) & 0xFFFF_FFFF
        if signed16(number - self._first_number) < 0:
            return None
        if ahead >= 0:
            self._advance(number, timestamp, packet.arrival_s)
            if signed16(number - self._first_number) > RESTART_DISTANCE:  # else it would come round again
                self._first_number = (number - RESTART_DISTANCE) & 0xFFFF
        return number, timestamp

    def follows(self, source: tuple[int, int]) -> bool:
        """Whether the newest packet was forwarded, from this source."""
        return self._source == source

    def step(self, now_s: float, samples: int) -> tuple[int, int]:
        """(sequence number, timestamp) for a packet made here, `samples` after the one before it.

        After a pause or another source the timestamp goes on by wall time.
        """
        pause_s = 0.0 if self._sent_at_s is None else now_s - self._sent_at_s
        steady = self._source is None and pause_s < _PAUSE_S
        timestamp = self._timestamp + samples if steady else self._continued(now_s, samples)
        number, self._source = self._next_number, None
        self._advance(number, timestamp & 0xFFFF_FFFF, now_s)
        return number, self._timestamp

    def _anchor(self, packet: MicPacket) -> None:
        self._source = packet.source
        self._number_offset = self._next_number - packet.sequence_number
        self._timestamp_offset = self._continued(packet.arrival_s, 960) - packet.timestamp
        self._first_number = self._next_number

    def _continued(self, now_s: float, samples: int) -> int:
        elapsed = 0.0 if self._sent_at_s is None else now_s - self._sent_at_s
        return self._timestamp + max(samples, round(elapsed * SAMPLE_RATE_HZ))

    def _advance(self, number: int, timestamp: int, now_s: float) -> None:
        self._next_number = (number + 1) & 0xFFFF
        self._timestamp, self._sent_at_s = timestamp, now_s
