"""A room between a speaker and a microphone: numbers in, sound out, the same on every run."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

FULL_SCALE: Final = 32767.0
_TAPS: Final = 32  # of the interpolation between samples, for drift
_HALF_TAPS: Final = _TAPS // 2


@dataclass(frozen=True, kw_only=True)
class Room:
    """What sound meets between speaker and microphone.

    `delay_ms`: from `play` to the first echo in `hear`: buffers of the sound card and the way through the air.
    `echo_gain_db`: level of the echo in the microphone against the level played. `reverberation_s`: the time in
    which it falls by 60 dB. `noise_dbfs`: root mean square of the room's own noise. `drift_ppm`: how much faster the
    microphone's clock runs than the speaker's. `seed` chooses the room and its noise.
    """

    delay_ms: float = 60.0
    echo_gain_db: float = -6.0
    reverberation_s: float = 0.25
    noise_dbfs: float = -70.0
    drift_ppm: float = 0.0
    seed: int = 1

    def impulse_response(self) -> Floats:
        """Direct sound, then exponentially decaying noise (Polack's model); energy is that of `echo_gain_db`."""
        random = np.random.default_rng(self.seed)
        at_s = np.arange(max(1, round(self.reverberation_s * SAMPLE_RATE_HZ))) / SAMPLE_RATE_HZ
        decay = np.exp(-np.log(1000.0) * at_s / max(self.reverberation_s, 1e-3))
        response: Floats = 0.1 * random.standard_normal(len(at_s)) * decay
        response[0] = 1.0
        response *= 10 ** (self.echo_gain_db / 20) / np.sqrt(np.sum(response**2))
        return response


class RoomSound:
    """The room as time goes by: every `step` is 20 ms in which it is played to and listened to.

    Overlap-add of the impulse response, then a delay line that the microphone reads with its own clock.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        response = room.impulse_response()
        self._fft_size = 1 << (len(response) + FRAME_SAMPLES - 2).bit_length()
        self._spectrum = np.fft.rfft(response, self._fft_size)
        self._tail = np.zeros(self._fft_size)
        self._random = np.random.default_rng(room.seed + 1000)
        # Sample `_line[i]` left the speaker at the time `_line_begin + i`, in samples of the speaker's clock.
        delay = round(room.delay_ms * SAMPLE_RATE_HZ / 1000)
        self._line_begin = -delay - _TAPS
        self._line = np.zeros(-self._line_begin)
        self._delay, self._heard_count = delay, 0

    def step(self, played: Samples, near: Samples | None = None) -> Samples:
        """(960,) int16 played, (960,) int16 spoken in the room; returns (960,) int16 that the microphone takes."""
        self._tail += np.fft.irfft(np.fft.rfft(played, self._fft_size) * self._spectrum, self._fft_size)
        self._line = np.concatenate([self._line, self._tail[:FRAME_SAMPLES]])
        self._tail = np.concatenate([self._tail[FRAME_SAMPLES:], np.zeros(FRAME_SAMPLES)])
        noise_level = FULL_SCALE * 10 ** (self.room.noise_dbfs / 20)
        heard = self._read() + noise_level * self._random.standard_normal(FRAME_SAMPLES)
        if near is not None:
            heard += near
        samples: Samples = np.clip(np.rint(heard), -FULL_SCALE, FULL_SCALE).astype(np.int16)
        return samples

    def _read(self) -> Floats:
        """What the speaker's sound has become at the microphone, at the microphone's next 960 ticks."""
        ticks = self._heard_count + np.arange(FRAME_SAMPLES)
        self._heard_count += FRAME_SAMPLES
        times = ticks / (1 + self.room.drift_ppm * 1e-6) - self._delay
        whole = np.floor(times).astype(np.int64)
        places = np.clip(
            whole[:, None] + np.arange(1 - _HALF_TAPS, 1 + _HALF_TAPS) - self._line_begin, 0, None
        )
        # The way through the air is never shorter than half of the taps, except where drift ate all the delay.
        sound = self._line[np.minimum(places, len(self._line) - 1)]
        if self.room.drift_ppm == 0:
            heard: Floats = sound[:, _HALF_TAPS - 1]
        else:
            heard = np.sum(sound * _interpolation(times - whole), axis=1)
        oldest = max(0, int(whole[-1]) - _TAPS - self._line_begin)
        self._line, self._line_begin = self._line[oldest:], self._line_begin + oldest
        return heard


def _interpolation(fractions: Floats) -> Floats:
    """Hann-windowed sinc, (n,) in [0, 1) to (n, _TAPS)."""
    distance = np.arange(1 - _HALF_TAPS, 1 + _HALF_TAPS) - fractions[:, None]
    weights: Floats = np.sinc(distance) * (0.5 + 0.5 * np.cos(np.pi * distance / _HALF_TAPS))
    return weights


def through_room(room: Room, played: Samples, near: Samples | None = None) -> Samples:
    """What the microphone takes of a whole recording: (n,) int16, n a multiple of 960; `near` as long."""
    sound, heard = RoomSound(room), []
    for begin in range(0, len(played) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        span = slice(begin, begin + FRAME_SAMPLES)
        heard.append(sound.step(played[span], None if near is None else near[span]))
    return np.concatenate(heard)
