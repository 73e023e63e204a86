"""How late the echo of what was played arrives in the microphone."""

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.audio import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

MAX_DELAY_MS: Final = 1000

DECIMATION: Final = 12
_RATE_HZ: Final = SAMPLE_RATE_HZ // DECIMATION  # enough for speech; a sample is 0.25 ms
_BLOCK: Final = _RATE_HZ // 10  # one look every 100 ms
_SPAN: Final = _RATE_HZ * MAX_DELAY_MS // 1000
_FFT_SIZE: Final = 1 << (_SPAN + _BLOCK - 1).bit_length()
_BAND_HZ: Final = (150.0, 1800.0)

_FORGETTING: Final = 0.75  # of the last look, in this one: a memory of 0.4 s
_WHITENING: Final = 0.8  # 1: the phase transform; a little less keeps out bins without sound
_QUIET: Final = 30.0  # root mean square of the reference below which a look says nothing: -61 dBFS
_MIN_BINS: Final = 40.0  # a ring or a test tone has few lines, and a delay that cannot be told
_MIN_PEAK: Final = 8.0  # against the root mean square of the other places
_MIN_LEAD: Final = 1.5  # against the second highest place
_PEAK_WIDTH: Final = (_RATE_HZ // 100, _RATE_HZ // 20)  # 10 ms before to 50 ms after: the same echo
_FIRST_WITHIN: Final = _RATE_HZ * 15 // 1000
_LOOKS: Final = 3
_LOOKS_AGAIN: Final = 8  # a word that sounds like the last one makes three wrong looks now and then
_AGREEMENT_MS: Final = 3.0
_SAME_MS: Final = 3.0


class Decimator:
    """48 kHz to 4 kHz, block by block; blocks are multiples of 12 samples."""

    def __init__(self) -> None:
        places = np.arange(4 * DECIMATION + 1) - 2 * DECIMATION
        taps = np.hamming(len(places)) * np.sinc(0.9 * places / DECIMATION)
        self._taps: Floats = taps / taps.sum()
        self._past = np.zeros(4 * DECIMATION)

    def push(self, samples: Samples) -> Floats:
        joined = np.concatenate([self._past, samples.astype(np.float64)])
        self._past = joined[-4 * DECIMATION :]
        return np.convolve(joined, self._taps, "valid")[::DECIMATION]


class DelayFinder:
    """Generalized cross-correlation with a softened phase transform (Knapp and Carter, 1976).

    A delay counts when three looks in a row, 100 ms apart, see the same single peak. It is followed as it
    drifts, and stays the answer until eight in a row agree on quite another.
    """

    def __init__(self) -> None:
        self._reference = np.zeros(_SPAN + _BLOCK)
        self._microphone = np.zeros(_BLOCK)
        self._fresh = 0
        self._cross = np.zeros(_FFT_SIZE // 2 + 1, np.complex128)
        self._frequencies_hz = np.fft.rfftfreq(_FFT_SIZE, 1 / _RATE_HZ)
        self._band = (self._frequencies_hz > _BAND_HZ[0]) & (self._frequencies_hz < _BAND_HZ[1])
        self._looks: deque[float | None] = deque(maxlen=_LOOKS_AGAIN)
        self.delay_ms: float | None = None

    def push(self, reference: Floats, microphone: Floats) -> None:
        """What was played and what the microphone took in the same time, decimated."""
        self._reference = np.concatenate([self._reference[len(reference) :], reference])
        self._microphone = np.concatenate([self._microphone[len(microphone) :], microphone])
        self._fresh += len(microphone)
        if self._fresh >= _BLOCK:
            self._fresh = 0
            self._look()

    def slip(self, slip_ms: float) -> None:
        """The next `push` brings so much more of what was played than of the microphone, or less."""
        looks = [None if look is None else look + slip_ms for look in self._looks]
        self._looks = deque(looks, maxlen=_LOOKS_AGAIN)
        self._cross *= np.exp(-2j * np.pi * self._frequencies_hz * slip_ms / 1000)
        if self.delay_ms is not None:
            self.delay_ms += slip_ms

    def _look(self) -> None:
        played = np.fft.rfft(self._reference, _FFT_SIZE) * self._band
        power = np.abs(played) ** 2
        is_quiet = np.mean(self._reference**2) < _QUIET**2
        if is_quiet or np.sum(power) ** 2 < _MIN_BINS * np.sum(power**2):
            return
        taken = np.fft.rfft(np.concatenate([np.zeros(_SPAN), self._microphone]), _FFT_SIZE)
        cross = taken * np.conj(played)
        self._cross *= _FORGETTING
        # Every block counts the same, so that one loud word does not rule.
        self._cross += cross / (np.sqrt(np.mean(np.abs(cross) ** 2)) + 1e-9)
        self._looks.append(_single_peak_ms(self._cross))
        found_ms = self._agreed_ms(_LOOKS)
        is_new = (
            self.delay_ms is not None and found_ms is not None and abs(found_ms - self.delay_ms) > _SAME_MS
        )
        if is_new:
            found_ms = self._agreed_ms(_LOOKS_AGAIN)
        self.delay_ms = self.delay_ms if found_ms is None else found_ms

    def _agreed_ms(self, count: int) -> float | None:
        """What the last `count` looks agree on."""
        found = sorted(look for look in list(self._looks)[-count:] if look is not None)
        is_agreed = len(found) == count and found[-1] - found[0] < _AGREEMENT_MS
        return found[count // 2] if is_agreed else None


def _single_peak_ms(cross: npt.NDArray[np.complex128]) -> float | None:
    """Where the impulse response that the cross spectrum stands for has its one peak; None without one."""
    response = np.abs(np.fft.irfft(cross / (np.abs(cross) ** _WHITENING + 1e-9), _FFT_SIZE)[:_SPAN])
    place = int(np.argmax(response))
    peak = float(response[place])
    # A wall may send back more than comes straight, and later; what counts is the first.
    begin = max(0, place - _FIRST_WITHIN)
    first = int(np.argmax(response[begin : place + 1] >= 0.7 * peak))
    response[max(0, place - _PEAK_WIDTH[0]) : place + _PEAK_WIDTH[1]] = 0
    is_high = peak > _MIN_PEAK * float(np.sqrt(np.mean(response**2)))
    is_alone = peak > _MIN_LEAD * float(np.max(response))
    return 1000 * (begin + first) / _RATE_HZ if is_high and is_alone else None
