"""Mixed frames to Opus packets: as good as the way to the listener allows, and nothing while nothing is heard."""

from typing import Final

from protocol.audio import FRAME_SAMPLES
from sound.opus import (
    DTX_MAX_BYTES,
    MAX_BITRATE_BPS,
    MIN_BITRATE_BPS,
    VOICE_BITRATE_BPS,
    OpusEncoder,
    Samples,
)

_MUCH_LOSS: Final = 0.10
_LITTLE_LOSS: Final = 0.02
_RISE: Final = 1.05
_HOPELESS_LOSS: Final = 0.30  # more than copies make up for
_COPIES_BPS: Final = 24_000  # with less, libopus leaves the copies out; headers cost as much as the voice
_FORGET: Final = 0.8  # of the reported loss that stays from one report to the next
_NO_LOSS: Final = 0.005


class SendRate:
    """Bit rate and expected loss, by receiver reports: the loss-based rule of draft-ietf-rmcat-gcc-02 section 6."""

    def __init__(self) -> None:
        self.bitrate_bps = VOICE_BITRATE_BPS
        self.loss = 0.0

    def report(self, fraction_lost: float) -> None:
        """`fraction_lost` since the report before, 0 to 1."""
        if fraction_lost > _MUCH_LOSS:
            wanted = self.bitrate_bps * (1 - 0.5 * fraction_lost)
        else:
            wanted = self.bitrate_bps * (_RISE if fraction_lost < _LITTLE_LOSS else 1.0)
        least = MIN_BITRATE_BPS if fraction_lost > _HOPELESS_LOSS else min(self.bitrate_bps, _COPIES_BPS)
        self.bitrate_bps = round(min(max(wanted, least), MAX_BITRATE_BPS))
        loss = max(fraction_lost, self.loss * _FORGET)
        self.loss = loss if loss > _NO_LOSS else 0.0


class OutgoingStream:
    """One encoder for one listener, or for all that hear the same."""

    def __init__(self) -> None:
        self.rate = SendRate()
        self._encoder = OpusEncoder()
        self._skipped = 0
        self._is_pause = False

    def prime(self, frame: Samples) -> None:
        """Encode a frame that is heard in another way, so that the next one joins on to it."""
        self._encoder.encode(frame)

    def encode(self, frame: Samples) -> tuple[bytes, int] | None:
        """The packet of a frame and the samples since the packet before; None in a pause.

        Of a pause its first packet is sent, from which the decoder knows, and every 400 ms one that is whole.
        """
        payload = self._encoder.encode(frame)
        is_pause = len(payload) <= DTX_MAX_BYTES
        if is_pause and self._is_pause:
            self._skipped += 1
            return None
        samples, self._skipped, self._is_pause = (self._skipped + 1) * FRAME_SAMPLES, 0, is_pause
        return payload, samples

    def report(self, fraction_lost: float) -> None:
        self.rate.report(fraction_lost)
        self._encoder.adapt(bitrate_bps=self.rate.bitrate_bps, loss=self.rate.loss)
