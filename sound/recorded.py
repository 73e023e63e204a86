"""What a sound file holds. Of a call's recording also what was lost on the way to it.

A recording keeps the packets as they came, and a packet without sound (RFC 7845 section 4.1) for each one that was
lost. FFmpeg hears silence there; here it is recovered from the copy in the next packet, else concealed, as in a call.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.container import InputContainer

from protocol.audio import CHANNEL_COUNT, SAMPLE_RATE_HZ
from sound.opus import MAX_PACKET_SAMPLES, OpusDecoder, Samples, packet_samples

_BLOCK_SAMPLES: Final = SAMPLE_RATE_HZ // 2
_EMPTY_BYTES: Final = 1  # a packet of a table of contents alone
_TIME_BASE: Final = Fraction(1, SAMPLE_RATE_HZ)


def sound_frames(container: InputContainer) -> Iterator[av.AudioFrame]:
    """The first sound in the file, in order, with its times. Raises av.FFmpegError; IndexError where there is none."""
    stream = container.streams.audio[0]
    if stream.codec_context.name == "opus" and stream.codec_context.channels == CHANNEL_COUNT:
        yield from _joined(_opus_parts(container))
    else:
        yield from container.decode(stream)


def _opus_parts(container: InputContainer) -> Iterator[tuple[int, Samples]]:
    """Position of the first sample, and the samples; the encoder's delay lies before 0 and is left out."""
    decoder, lost, lost_at = OpusDecoder(), 0, 0
    for packet in container.demux(audio=0):
        if packet.pts is None or packet.size == 0:
            continue
        payload, position = bytes(packet), packet.pts
        try:
            length = packet_samples(payload)
        except ValueError:
            continue
        if len(payload) <= _EMPTY_BYTES:
            lost_at = lost_at if lost else position
            lost += length
            continue
        if lost:
            yield lost_at, _made_up(decoder, lost, before=payload, length=length)
            lost = 0
        samples = decoder.decode(payload)
        yield position, samples if samples.size else decoder.conceal(length)
    if lost:
        yield lost_at, _made_up(decoder, lost, before=b"", length=0)


def _made_up(decoder: OpusDecoder, lost: int, *, before: bytes, length: int) -> Samples:
    """`lost` samples: the last packet of them from its copy in the packet after it, the others from what was before."""
    recoverable = length if before and length <= lost else 0
    parts, left = list[Samples](), lost - recoverable
    while left > 0:
        parts.append(decoder.conceal(min(left, MAX_PACKET_SAMPLES)))
        left -= min(left, MAX_PACKET_SAMPLES)
    if recoverable:
        parts.append(decoder.recover(before, recoverable))
    return np.concatenate(parts)


def _joined(parts: Iterator[tuple[int, Samples]]) -> Iterator[av.AudioFrame]:
    """Frames of about half a second; one ends where the next part does not join on."""
    held, begins, ends = list[Samples](), 0, 0
    for first, part in parts:
        samples, position = part[max(0, -first) :], max(0, first)
        if held and (position != ends or ends - begins >= _BLOCK_SAMPLES):
            yield _frame(begins, held)
            held = []
        if not samples.size:
            continue
        begins, ends = position if not held else begins, position + samples.size
        held.append(samples)
    if held:
        yield _frame(begins, held)


def _frame(position: int, parts: list[Samples]) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.concatenate(parts).reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, position, _TIME_BASE
    return frame
