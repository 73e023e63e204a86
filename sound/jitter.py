"""Encoded packets of one voice in the order of their numbers. Bounded; knows nothing of samples or of time."""

from typing import Final, NamedTuple

from sound.opus import packet_samples

MAX_WAITING_SAMPLES: Final = 19_200  # 400 ms; what waits longer is of no use in a conversation
RESTART_NUMBERS: Final = 1000  # farther than this is another beginning, not a late packet
_RESTART_SAMPLES: Final = 480_000  # ten seconds without a microphone are another beginning too


class Packet(NamedTuple):
    """`number` and `timestamp` go on where RTP's wrap around (extended, RFC 3550 appendix A.1)."""

    number: int
    timestamp: int  # of its first sample, 48 kHz
    samples: int
    payload: bytes

    @property
    def end(self) -> int:
        return self.timestamp + self.samples


class Unwrapper:
    """Numbers of `bits` bits that wrap around, to numbers that do not."""

    def __init__(self, bits: int) -> None:
        self._half, self._mask = 1 << (bits - 1), (1 << bits) - 1
        self._newest: int | None = None

    def near(self, value: int) -> int:
        """The number that looks like `value` and lies nearest to the newest one; never moves that."""
        if self._newest is None:
            return value & self._mask
        return self._newest + ((value - self._newest + self._half) & self._mask) - self._half

    def note(self, number: int) -> None:
        self._newest = number if self._newest is None else max(self._newest, number)


class PacketQueue:
    """`push` in any order; `first` and `take` in order, each number at most once."""

    def __init__(self) -> None:
        self._numbers, self._timestamps = Unwrapper(16), Unwrapper(32)
        self._packets: dict[int, Packet] = {}
        self._newest: Packet | None = None
        self._taken: int | None = None  # the number that was taken last, or given up
        self.packets_late = 0
        self.packets_dropped = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def first(self) -> Packet | None:
        return self._packets[min(self._packets)] if self._packets else None

    @property
    def next_number(self) -> int | None:
        return None if self._taken is None else self._taken + 1

    @property
    def end(self) -> int | None:
        """Timestamp after the newest packet that ever came."""
        return None if self._newest is None else self._newest.end

    def push(self, payload: bytes, *, sequence_number: int, timestamp: int) -> bool:
        """False: nothing that can be played; counted."""
        try:
            samples = packet_samples(payload)
        except ValueError:
            self.packets_dropped += 1
            return False
        number, extended = self._numbers.near(sequence_number), self._timestamps.near(timestamp)
        packet = Packet(number, extended, samples, payload)
        if self._is_another_beginning(packet):
            self.restart()
        if (self._taken is not None and number <= self._taken) or number in self._packets:
            self.packets_late += 1
            return False
        self._add(packet)
        return True

    def take(self) -> Packet:
        """Remove and return the first packet. Raises ValueError without one."""
        packet = self._packets.pop(min(self._packets))
        self._taken = packet.number
        return packet

    def give_up_before(self, number: int) -> None:
        """What lies before `number` and comes only now is late."""
        self._taken = number - 1

    def skip_to(self, samples: int) -> None:
        """Give up the oldest packets until at most `samples` wait."""
        while len(self._packets) > 1 and self._waiting() > samples:
            self.take()
            self.packets_dropped += 1

    def restart(self) -> None:
        """Forget what came; the next packet begins anew."""
        self.packets_dropped += len(self._packets)
        self._packets.clear()
        self._taken, self._newest = None, None
        self._numbers, self._timestamps = Unwrapper(16), Unwrapper(32)

    def _add(self, packet: Packet) -> None:
        self._packets[packet.number] = packet
        if self._newest is None or packet.number > self._newest.number:
            self._newest = packet
        self._numbers.note(packet.number)
        self._timestamps.note(packet.timestamp)
        self.skip_to(MAX_WAITING_SAMPLES)

    def _waiting(self) -> int:
        first, newest = self.first, self._newest
        return 0 if first is None or newest is None else newest.end - first.timestamp

    def _is_another_beginning(self, packet: Packet) -> bool:
        """Numbers or timestamps that jump, or timestamps that run the other way than the numbers."""
        newest = self._newest
        if newest is None:
            return False
        ahead = packet.number - newest.number
        later = packet.timestamp - newest.timestamp
        jumps = abs(ahead) > RESTART_NUMBERS or abs(later) > _RESTART_SAMPLES
        return jumps or (later < 0 < ahead) or (ahead < 0 < later)
