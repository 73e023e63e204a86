"""By how much the microphone's clock runs faster than the speaker's, from the echo itself."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from protocol.audio import SAMPLE_RATE_HZ
from sound.echo.delay import DECIMATION, Floats

Complexes = npt.NDArray[np.complex128]

_RATE_HZ: Final = SAMPLE_RATE_HZ // DECIMATION
_TAPS: Final = _RATE_HZ * 64 // 1000  # of the room: what comes later is weak, and counts as noise
_BEFORE: Final = _RATE_HZ * 4 // 1000  # the delay is known to 3 ms; the room begins so much earlier
_SPAN: Final = 4 * _RATE_HZ
_FIRST_LOOK: Final = _RATE_HZ  # least time from which a slope can be told
_EARLY: Final = _RATE_HZ // 2, 5 * _RATE_HZ  # a look every half second in the first five
_EVERY: Final = 2 * _RATE_HZ  # and then every two
_REGULARIZATION: Final = 1e-3

_QUIET: Final = 30.0  # root mean square of the reference: -61 dBFS
_MIN_EXPLAINED: Final = 0.7  # in every part; less: somebody speaks, or the delay has jumped
_PARTS: Final = 8
_LOUD_PART: Final = 0.05  # of the loudest
_SPREAD_PPM_S: Final = 25.0  # of looks at one second of speech, measured; it falls with the time looked at
_BEFOREHAND_PPM: Final = 50.0  # spread of the drift of ordinary quartzes
_WANDER_PPM: Final = 3.0  # between two looks: they see much of the same, and quartzes warm up
_MAX_PPM: Final = 300.0
_LEAST_PPM: Final = 5.0  # an echo canceller follows this by itself
_SURE: Final = 2.0  # times the standard deviation
_ODD: Final = 4.0
_LEAST_LOOKS: Final = 2
_DOUBT: Final = (
    1.2  # times the variance, after a look that says nothing: a minute of them, and it is forgotten
)


class _Slope(NamedTuple):
    """`explained`: share of the microphone's power, where it is least. `span_s`: how long something was heard."""

    ppm: float
    explained: float
    span_s: float


class DriftFinder:
    """Learns the room in one go (least squares), and sees by how much its echo comes later at the end than before.

    The room and the slope of the delay are fitted together: the slope is what the derivative of the echo, times the
    time, explains of what the room leaves unexplained (Frisch and Waugh, 1933). A Kalman filter of one state
    puts the looks together. Nothing is believed below twice its standard deviation. A look takes some 6 ms.
    """

    def __init__(self) -> None:
        self._ppm, self._variance, self._looks = 0.0, _BEFOREHAND_PPM**2, 0
        self.restart()

    @property
    def ppm(self) -> float:
        """Positive where the echo comes later and later; 0 while nothing is known."""
        is_sure = self._looks >= _LEAST_LOOKS and abs(self._ppm) > _SURE * self._variance**0.5
        return self._ppm if is_sure and abs(self._ppm) > _LEAST_PPM else 0.0

    def restart(self) -> None:
        """The reference was shifted: what was heard does not fit to what comes. The drift stays."""
        self._reference, self._microphone, self._made_up = (np.zeros(0) for _ in range(3))
        self._heard, self._next_look = 0, _FIRST_LOOK

    def push(self, reference: Floats, microphone: Floats, *, made_up_s: float, lead_s: float) -> None:
        """Decimated, of the same time: the reference as it was held back, `made_up_s` of it for the drift.

        Its echo comes `lead_s` later.
        """
        made_up = np.full(len(reference), made_up_s)
        self._reference = np.concatenate([self._reference, reference])[-_SPAN:]
        self._microphone = np.concatenate([self._microphone, microphone])[-_SPAN:]
        self._made_up = np.concatenate([self._made_up, made_up])[-_SPAN:]
        self._heard += len(reference)
        if self._heard < self._next_look:
            return
        self._next_look = self._heard + (_EARLY[0] if self._heard < _EARLY[1] else _EVERY)
        offset = max(0, round(lead_s * _RATE_HZ) - _BEFORE)
        count = len(self._reference) - offset
        if np.mean(self._reference**2) < _QUIET**2 or count < _FIRST_LOOK // 2:
            return
        slope = _slope(self._reference[:count], self._microphone[offset:], self._made_up[offset:])
        if slope.explained > _MIN_EXPLAINED and abs(slope.ppm) < _MAX_PPM:
            self._note(slope.ppm, spread_ppm=_SPREAD_PPM_S / slope.span_s)
        else:
            self._variance = min(self._variance * _DOUBT, _BEFOREHAND_PPM**2)

    def _note(self, ppm: float, *, spread_ppm: float) -> None:
        self._variance += _WANDER_PPM**2
        odd = (ppm - self._ppm) ** 2 / (self._variance + spread_ppm**2)
        if odd > _ODD**2:
            self._variance *= 4  # the first looks may have been wrong: a few that say so are believed
            return
        self._looks += 1
        gain = self._variance / (self._variance + spread_ppm**2)
        self._ppm += gain * (ppm - self._ppm)
        self._variance *= 1 - gain


def _slope(reference: Floats, microphone: Floats, made_up: Floats) -> _Slope:
    """How the delay of the echo grows.

    `made_up`: how many seconds of the slope are in the reference already, at each sample.
    """
    count = len(microphone)
    size = 1 << (count + _TAPS).bit_length()
    played = np.fft.rfft(reference, size)
    correlation = np.fft.irfft(np.abs(played) ** 2, size)[:_TAPS]
    correlation[0] *= 1 + _REGULARIZATION
    solve = _toeplitz_inverse(correlation)

    def projected(sound: Floats) -> tuple[Floats, Complexes]:
        """What the room can make of the reference to be most like `sound`, and the spectrum of that."""
        response = solve(np.fft.irfft(np.fft.rfft(sound, size) * np.conj(played), size)[:_TAPS])
        spectrum = np.fft.rfft(response, size) * played
        return np.fft.irfft(spectrum, size)[:count], spectrum

    echo, spectrum = projected(microphone)
    turn = 2j * np.pi * np.fft.rfftfreq(size, 1 / _RATE_HZ)
    later = -np.fft.irfft(turn * spectrum, size)[:count]  # what one second more of delay would add
    at_s = (np.arange(count) - count / 2) / _RATE_HZ
    grown, known = later * at_s, later * (made_up - made_up[count // 2])
    grown -= projected(grown)[0]
    left = microphone - echo + known - projected(known)[0]
    slope = float(np.sum(grown * left) / (np.sum(grown**2) + 1e-9))
    rest = left - slope * grown
    weights = later**2 / (np.sum(later**2) + 1e-9)
    return _Slope(
        ppm=1e6 * slope,
        explained=_least_explained(microphone, rest),
        span_s=float(np.sqrt(12 * (np.sum(weights * at_s**2) - np.sum(weights * at_s) ** 2) + 1e-9)),
    )


def _toeplitz_inverse(correlation: Floats) -> Callable[[Floats], Floats]:
    """What solves a symmetric Toeplitz system: its inverse by Gohberg and Semencul (1972), after Levinson (1947).

    LAPACK would take all cores for that, which a sound card's thread must not do.
    """
    size, backwards = len(correlation), correlation[::-1]
    first = np.zeros(size)  # column of the inverse, of a matrix that grows
    first[0] = 1 / correlation[0]
    for done in range(1, size):
        error = backwards[size - done - 1 : size - 1] @ first[:done]
        scale, turned = 1 / (1 - error**2), first[:done][::-1].copy()
        first[:done] *= scale
        first[1 : done + 1] -= scale * error * turned
    forward, backward = (np.fft.rfft(column, 2 * size) for column in (first, np.append(0.0, first[:0:-1])))

    def solve(wanted: Floats) -> Floats:
        spectrum, parts = np.fft.rfft(wanted, 2 * size), []
        for column in (forward, backward):
            upper = np.fft.irfft(spectrum * np.conj(column), 2 * size)[:size]
            parts.append(np.fft.irfft(np.fft.rfft(upper, 2 * size) * column, 2 * size)[:size])
        solved: Floats = (parts[0] - parts[1]) / first[0]
        return solved

    return solve


def _least_explained(microphone: Floats, rest: Floats) -> float:
    """The least share of the microphone's power that is explained in any loud part."""
    size = len(microphone) // _PARTS
    before, after = (
        np.sum(sound[: size * _PARTS].reshape(_PARTS, size) ** 2, axis=1) for sound in (microphone, rest)
    )
    is_loud = before >= _LOUD_PART * np.max(before)
    return float(np.min(1 - after[is_loud] / (before[is_loud] + 1e-9)))
