"""One voice from the network: packets in as they come, 20 ms of sound out whenever they are asked for.

The delay is as small as the network allows. `ahead` is the sound that waits when a frame is taken; its least
value of the last second says how much of it is needed. More than that is taken back, less is made up for, by
leaving out or repeating single periods of the voice. A packet that is not there in time is recovered from
the next one (in-band FEC) or concealed; when it only came late, the delay has grown by that much.
"""

from collections import deque
from typing import Final, Protocol

import numpy as np

from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from sound.jitter import MAX_WAITING_SAMPLES, Packet, PacketQueue
from sound.opus import DTX_MAX_BYTES, OpusDecoder, Samples
from sound.stretch import FADE_SAMPLES, MAX_LAG, lengthen, shorten

LEAST_AHEAD: Final = 2 * FRAME_SAMPLES  # the next packet is there too, with its copy of this one
_MOST_AHEAD: Final = LEAST_AHEAD + MAX_LAG
_FAR_AHEAD: Final = 5 * FRAME_SAMPLES  # with so much too much, a place that fits badly is good enough
_IDLE_SAMPLES: Final = SAMPLE_RATE_HZ  # after a second without a packet the voice is off
_LATE_COUNT: Final = 3  # so many late packets within _REMEMBER_FRAMES: the network is unsteady
_REMEMBER_FRAMES: Final = 500  # 10 s
_STEADY_FRAMES, _UNSTEADY_FRAMES = 25, 150  # half of how long the least value counts


class Decoder(Protocol):
    """As sound.opus.OpusDecoder."""

    def decode(self, payload: bytes) -> Samples: ...

    def recover(self, payload: bytes, samples: int) -> Samples: ...

    def conceal(self, samples: int) -> Samples: ...


class VoiceReceiver:
    """`push` packets, `pop` frames every 20 ms of an even clock. The names of the counters are W3C's, in samples."""

    def __init__(self, decoder: Decoder | None = None) -> None:
        self._decoder = decoder or OpusDecoder()
        self._queue = PacketQueue()
        self._source: object = None
        self._decoded = np.zeros(0, np.int16)
        self._position: int | None = None  # timestamp of what is decoded next; None: off
        self._made_up = 0  # samples concealed since then
        self._is_quiet_pause = False
        self._frames_without_packet = 0
        self._level = _LeastAhead()
        self.is_draining = False
        self.total_samples_received = 0
        self.concealed_samples = 0
        self.concealment_events = 0
        self.removed_samples_for_acceleration = 0
        self.inserted_samples_for_deceleration = 0

    @property
    def packets_discarded(self) -> int:
        """Packets that came too late, twice, or could not be used."""
        return self._queue.packets_late + self._queue.packets_dropped

    @property
    def is_off(self) -> bool:
        return self._position is None

    @property
    def ahead(self) -> int:
        """Samples that wait: decoded ones, and from the present place on those in packets."""
        if self._position is None or self._queue.end is None:
            return self._decoded.size
        return self._decoded.size + max(0, self._queue.end - self._position - self._made_up)

    def push(self, payload: bytes, *, source: object, sequence_number: int, timestamp: int) -> None:
        """A packet. `source` changes whenever its numbers begin anew."""
        if source != self._source:
            self._source = source
            self.restart()
        newest = self._queue.end
        self._frames_without_packet = -1
        self._queue.push(payload, sequence_number=sequence_number, timestamp=timestamp)
        end = self._queue.end
        jump = abs(end - newest) if newest is not None and end is not None else 0
        if jump > SAMPLE_RATE_HZ or self.ahead > 2 * MAX_WAITING_SAMPLES:
            self._position = None  # another beginning within the same source

    def follow(self, payload: bytes, *, source: object, sequence_number: int, timestamp: int) -> Samples:
        """Decode a packet that is heard in another way; the next one that is pushed joins on without a gap.

        Shape (samples,).
        """
        self.restart()
        self._source = source
        if not self._queue.push(payload, sequence_number=sequence_number, timestamp=timestamp):
            return np.zeros(0, np.int16)
        packet = self._queue.take()
        self._position = packet.end
        return self._decoder.decode(packet.payload)

    def restart(self) -> None:
        """Forget what waits. The next packets begin anew."""
        self._queue.restart()
        self._decoded = np.zeros(0, np.int16)
        self._position, self._made_up = None, 0
        self._is_quiet_pause = self.is_draining = False
        self._level = _LeastAhead()

    def pop(self) -> Samples:
        """The next frame, shape (960,)."""
        if self._position is None and not self._begin():
            return np.zeros(FRAME_SAMPLES, np.int16)
        self._fit()
        while self._decoded.size < FRAME_SAMPLES:
            self._append(self._next_part())
        frame, self._decoded = self._decoded[:FRAME_SAMPLES], self._decoded[FRAME_SAMPLES:]
        self.total_samples_received += FRAME_SAMPLES
        if self._made_up > _IDLE_SAMPLES and not self._queue:
            self.restart()
        return frame

    # Where the sound comes from

    def _begin(self) -> bool:
        """Enough waits for a start."""
        first, end = self._queue.first, self._queue.end
        if first is None or end is None or end - first.timestamp < LEAST_AHEAD:
            return False
        self._position, self._made_up = first.timestamp, 0
        return True

    def _next_part(self) -> Samples:
        """The next packet, or what stands for it while it is not there or not due."""
        first = self._queue.first
        if first is None or self._position is None:
            return self._conceal(FRAME_SAMPLES)
        missing = first.timestamp - self._position - self._made_up
        if missing > _IDLE_SAMPLES:
            missing = 0
        if missing <= 0:
            return self._decode_first()
        is_lost = first.number != self._queue.next_number
        if not is_lost or missing > first.samples:
            return self._conceal(min(missing - first.samples * is_lost, FRAME_SAMPLES))
        return self._recover(first, missing)

    def _decode_first(self) -> Samples:
        packet = self._queue.take()
        if packet.timestamp < (self._position or 0) + self._made_up:
            self._level.came_late()
        self._position, self._made_up = packet.end, 0
        self._is_quiet_pause = len(packet.payload) <= DTX_MAX_BYTES
        samples = self._decoder.decode(packet.payload)
        return samples if samples.size else self._conceal(packet.samples)

    def _recover(self, first: Packet, missing: int) -> Samples:
        """The lost packet before the first one; where a part of its time has passed already, the rest of it."""
        self._queue.give_up_before(first.number)
        recovered = self._decoder.recover(first.payload, first.samples)[-missing:]
        return self._count_concealed(recovered, missing)

    def _conceal(self, samples: int) -> Samples:
        """Whole steps of 2.5 ms, at least one, as libopus makes them."""
        steps = max(1, samples // 120) * 120
        if self._made_up > _IDLE_SAMPLES:
            return self._count_concealed(np.zeros(steps, np.int16), steps)
        return self._count_concealed(self._decoder.conceal(steps), steps)

    def _count_concealed(self, samples: Samples, wanted: int) -> Samples:
        if samples.size != wanted:
            samples = np.resize(samples, wanted) if samples.size else np.zeros(wanted, np.int16)
        if not self._is_quiet_pause:
            self.concealed_samples += wanted
            self.concealment_events += self._made_up == 0
        self._made_up += wanted
        return samples

    def _append(self, samples: Samples) -> None:
        self._decoded = np.concatenate([self._decoded, samples])

    # How far ahead it is

    def _fit(self) -> None:
        """Once per frame: a step towards the least delay that does without concealment."""
        ahead = self.ahead
        self._frames_without_packet += 1
        # One frame without a packet may be a lost one, which says nothing about the delay.
        if (ahead < FRAME_SAMPLES or self._frames_without_packet == 1) and not self.is_draining:
            return
        self._level.note(ahead)
        least = 0 if self.is_draining else self._level.least
        if self.is_draining or least > _MOST_AHEAD:
            self._shorten(force=self.is_draining or least > _FAR_AHEAD)
        elif least < LEAST_AHEAD - MAX_LAG:
            self._lengthen()

    def _shorten(self, *, force: bool) -> None:
        needed = FADE_SAMPLES + MAX_LAG
        while self._decoded.size < needed and self._queue.first is not None and self.ahead >= needed:
            self._append(self._next_part())
        if self.is_draining and self.ahead <= FRAME_SAMPLES:
            return
        before = self._decoded.size
        self._decoded = shorten(self._decoded, force=force)
        self._changed(self._decoded.size - before)

    def _lengthen(self) -> None:
        if self._decoded.size < FRAME_SAMPLES and self._queue.first is not None:
            self._append(self._next_part())
        before = self._decoded.size
        self._decoded = lengthen(self._decoded)
        self._changed(self._decoded.size - before)

    def _changed(self, samples: int) -> None:
        self._level.moved(samples)
        self.inserted_samples_for_deceleration += max(0, samples)
        self.removed_samples_for_acceleration += max(0, -samples)


class _LeastAhead:
    """The least that waited lately: half a second to a second, longer while packets keep coming late."""

    def __init__(self) -> None:
        self._frame = 0
        self._late: deque[int] = deque(maxlen=_LATE_COUNT)
        self._before: int | None = None
        self._now: int | None = None
        self._since = 0

    @property
    def least(self) -> int:
        known = [level for level in (self._before, self._now) if level is not None]
        return min(known) if self._before is not None else min([*known, _MOST_AHEAD])

    @property
    def is_unsteady(self) -> bool:
        return len(self._late) == _LATE_COUNT and self._frame - self._late[0] < _REMEMBER_FRAMES

    def note(self, ahead: int) -> None:
        self._frame += 1
        self._now = ahead if self._now is None else min(self._now, ahead)
        if self._frame - self._since >= (_UNSTEADY_FRAMES if self.is_unsteady else _STEADY_FRAMES):
            self._before, self._now, self._since = self._now, None, self._frame

    def moved(self, samples: int) -> None:
        self._before = None if self._before is None else self._before + samples
        self._now = None if self._now is None else self._now + samples

    def came_late(self) -> None:
        self._late.append(self._frame)
