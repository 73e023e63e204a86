"""Opus packets: how long they are, silence of a given length, and one encoder and decoder for voice.

FFmpeg's wrapper of libopus conceals no loss, does not read in-band FEC and cannot change its bit rate. So
libopus is called directly, from the file that the `av` wheel brings, else from the system's.
"""

import ctypes
import ctypes.util
import functools
import weakref
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from protocol.audio import CHANNEL_COUNT, FRAME_SAMPLES, OPUS_SILENCE, SAMPLE_RATE_HZ
from sound.level import is_quiet

Samples = npt.NDArray[np.int16]

MAX_PACKET_SAMPLES: Final = 5760  # 120 ms, RFC 6716 section 3.2.5
MAX_PACKET_BYTES: Final = 1500
SHORTEST_FRAME_SAMPLES: Final = 120  # 2.5 ms
MIN_BITRATE_BPS: Final = 12_000
VOICE_BITRATE_BPS: Final = 32_000
MAX_BITRATE_BPS: Final = 64_000
DTX_MAX_BYTES: Final = 2  # a packet this short says that nothing has to be sent (opus_encoder.h)
_COMPLEXITY: Final = (
    9  # of 10, libopus's own: steady sounds go to CELT, which is cheaper and conceals them better
)

# Samples per frame at 48 kHz by configuration, RFC 6716 section 3.1, table 2.
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAME_SAMPLES: Final = _SILK * 3 + _HYBRID * 2 + _CELT * 4

# CELT fullband configurations 28 to 31 with the same two bytes that decode to digital silence.
_SILENCES: Final = (
    (960, OPUS_SILENCE),
    (480, b"\xf0\xff\xfe"),
    (240, b"\xe8\xff\xfe"),
    (120, b"\xe0\xff\xfe"),
)

# opus_defines.h
_APPLICATION_VOIP: Final = 2048
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS_PERC: Final = 4014
_SET_DTX: Final = 4016


class OpusMissingError(RuntimeError):
    """There is no libopus on this machine. The text is for people."""


def packet_samples(payload: bytes) -> int:
    """Length of one Opus packet in samples at 48 kHz per channel (RFC 6716 section 3.1).

    Raises ValueError where the packet is malformed (requirements R1, R2 and R5 of section 3.4).
    """
    if not payload:
        raise ValueError("an Opus packet has at least one byte")
    frame = _FRAME_SAMPLES[payload[0] >> 3]
    code = payload[0] & 0x03
    if code < 3:
        return frame if code == 0 else 2 * frame
    if len(payload) < 2:
        raise ValueError("an Opus packet of code 3 has a frame count")
    samples = frame * (payload[1] & 0x3F)
    if not 0 < samples <= MAX_PACKET_SAMPLES:
        raise ValueError("an Opus packet lasts from 2.5 to 120 ms")
    return samples


def silence_packets(samples: int) -> list[bytes]:
    """Packets that last `samples` (48 kHz) together, rounded down to 2.5 ms, and decode to digital silence."""
    packets: list[bytes] = []
    for length, packet in _SILENCES:
        count, samples = divmod(samples, length)
        packets += [packet] * count
    return packets


def mono_samples(frame: av.AudioFrame) -> Samples:
    """The samples of a mono s16 frame, shape (samples,)."""
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


@functools.cache
def _libopus() -> Any:
    """Raises OpusMissingError."""
    beside_av = sorted((Path(av.__file__).parent.parent / "av.libs").glob("libopus*.so*"))
    name = str(beside_av[0]) if beside_av else ctypes.util.find_library("opus")
    if name is None:
        raise OpusMissingError("libopus is missing. Install it: sudo apt install libopus0")
    library = ctypes.CDLL(name)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for function, result, arguments in (
        ("opus_encoder_create", pointer, [number, number, number, pointer]),
        ("opus_encoder_destroy", None, [pointer]),
        ("opus_encoder_ctl", number, [pointer, number, number]),
        ("opus_encode", number, [pointer, pointer, number, pointer, number]),
        ("opus_decoder_create", pointer, [number, number, pointer]),
        ("opus_decoder_destroy", None, [pointer]),
        ("opus_decode", number, [pointer, ctypes.c_char_p, number, pointer, number, number]),
    ):
        declared = getattr(library, function)
        declared.restype, declared.argtypes = result, arguments
    return library


class OpusEncoder:
    """Mono voice in packets of 20 ms with discontinuous transmission. Costs about 0.2 ms a packet.

    What a pause is, is not left to libopus: at this complexity it takes every steady sound for one.
    """

    def __init__(self) -> None:
        self._opus = _libopus()
        state = self._opus.opus_encoder_create(SAMPLE_RATE_HZ, CHANNEL_COUNT, _APPLICATION_VOIP, None)
        if not state:
            raise MemoryError("libopus has no room for another encoder")
        self._state = state
        weakref.finalize(self, self._opus.opus_encoder_destroy, state)
        self._buffer = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        self._set(_SET_COMPLEXITY, _COMPLEXITY)
        self._is_quiet = False
        self.adapt(bitrate_bps=VOICE_BITRATE_BPS, loss=0.0)

    def adapt(self, *, bitrate_bps: int, loss: float) -> None:
        """To what the other end reports; `loss` 0 to 1. Where packets are lost, each also carries the one before."""
        self._set(_SET_BITRATE, min(max(bitrate_bps, MIN_BITRATE_BPS), MAX_BITRATE_BPS))
        self._set(_SET_INBAND_FEC, int(loss > 0))
        self._set(_SET_PACKET_LOSS_PERC, round(min(max(loss, 0.0), 1.0) * 100))

    def encode(self, samples: Samples) -> bytes:
        """One frame of 960 samples, shape (960,), to one packet. Of `DTX_MAX_BYTES` or less: need not be sent."""
        frame = np.ascontiguousarray(samples, np.int16)
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame has {FRAME_SAMPLES} samples")
        if is_quiet(frame) is not self._is_quiet:
            self._is_quiet = not self._is_quiet
            self._set(_SET_DTX, int(self._is_quiet))
        count = self._opus.opus_encode(
            self._state, frame.ctypes.data, FRAME_SAMPLES, self._buffer, MAX_PACKET_BYTES
        )
        return self._buffer.raw[: max(count, 0)]

    def _set(self, request: int, value: int) -> None:
        if self._opus.opus_encoder_ctl(self._state, request, value):
            raise ValueError(f"libopus refuses the setting {request} = {value}")


class OpusDecoder:
    """Packets to 48 kHz mono; what did not arrive is made up. Costs about 0.05 ms a packet."""

    def __init__(self) -> None:
        self._opus = _libopus()
        state = self._opus.opus_decoder_create(SAMPLE_RATE_HZ, CHANNEL_COUNT, None)
        if not state:
            raise MemoryError("libopus has no room for another decoder")
        self._state = state
        weakref.finalize(self, self._opus.opus_decoder_destroy, state)
        self._samples = np.zeros(MAX_PACKET_SAMPLES, np.int16)
        self._address = self._samples.ctypes.data

    def decode(self, payload: bytes) -> Samples:
        """Shape (samples,). A packet that libopus refuses gives no samples."""
        return self._decode(payload, MAX_PACKET_SAMPLES, is_fec=False)

    def recover(self, payload: bytes, samples: int) -> Samples:
        """The packet before `payload`, which was lost, from the copy in it; concealed where it carries none.

        `samples` is the length of the lost one, a multiple of 120.
        """
        return self._decode(payload, samples, is_fec=True)

    def conceal(self, samples: int) -> Samples:
        """Something like the sound before, fading; after a DTX packet comfort noise. A multiple of 120."""
        return self._decode(None, samples, is_fec=False)

    def _decode(self, payload: bytes | None, samples: int, *, is_fec: bool) -> Samples:
        size = 0 if payload is None else len(payload)
        count = self._opus.opus_decode(self._state, payload, size, self._address, samples, int(is_fec))
        return self._samples[: max(count, 0)].copy()
