"""A microphone's RTP packet, and the distances between two of them."""

from typing import Final, NamedTuple

RESTART_DISTANCE: Final = 1000  # sequence numbers; farther is another beginning, not a late packet


class MicPacket(NamedTuple):
    """One Opus packet of a microphone. `source` changes whenever its numbers begin anew."""

    source: tuple[int, int]
    sequence_number: int  # 16 bits
    timestamp: int  # 32 bits, 48 kHz
    arrival_s: float  # monotonic
    payload: bytes


def signed16(difference: int) -> int:
    """Distance between two RTP sequence numbers, -32768 to 32767 (RFC 3550 appendix A.1)."""
    return ((difference + 0x8000) & 0xFFFF) - 0x8000


def signed32(difference: int) -> int:
    """Distance between two RTP timestamps."""
    return ((difference + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
