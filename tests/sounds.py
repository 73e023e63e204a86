"""Sound files for tests."""

from pathlib import Path

import av
import numpy as np


def opus_write(source: Path | None, target: Path, *, silence_s: float = 1.0, bit_rate: int = 24_000) -> None:
    """An Ogg Opus file of a sound file's first channel, or of silence."""
    with av.open(str(target), "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = bit_rate
        if source is None:
            silence = np.zeros((1, round(48_000 * silence_s)), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            out.mux(stream.encode(frame))
        else:
            with av.open(str(source)) as container:
                for frame in container.decode(audio=0):
                    out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
