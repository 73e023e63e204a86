"""A real microphone and a real speaker, through PortAudio."""

from types import ModuleType
from typing import Any

import numpy as np
import structlog

from agent.audio import SampleBuffer, Samples, padded
from agent.errors import AudioError
from agent.processing import SoundProcessing
from protocol.audio import CHANNEL_COUNT, FRAME_SAMPLES, SAMPLE_RATE_HZ

log = structlog.get_logger(__name__)

_BUFFER_SAMPLES = 8 * FRAME_SAMPLES  # 160 ms between the card's clock and ours


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except OSError:
        raise AudioError(
            "PortAudio is not installed. On Debian and Raspberry Pi OS: sudo apt install libportaudio2"
        ) from None
    module: ModuleType = sounddevice
    return module


class _Soundcard:
    """What microphone and speaker have in common."""

    _kind = ""  # "input" or "output", PortAudio's words
    _word = ""

    def __init__(self, name: str, processing: SoundProcessing | None = None) -> None:
        self._processing = processing or SoundProcessing()
        self._sounddevice = _sounddevice()
        self._device = None if name == "default" else name
        self._buffer = SampleBuffer(capacity=_BUFFER_SAMPLES)
        self._stream: Any = None
        try:
            self._sounddevice.query_devices(self._device, self._kind)
        except (ValueError, self._sounddevice.PortAudioError):
            raise AudioError(
                f"There is no {self._word} {name!r} on this machine. Use null or file:PATH to go without."
            ) from None

    def _open(self, stream_class: Any, callback: Any) -> None:
        self._buffer.clear()
        try:
            self._stream = stream_class(
                samplerate=SAMPLE_RATE_HZ,
                channels=CHANNEL_COUNT,
                dtype="int16",
                blocksize=FRAME_SAMPLES,
                device=self._device,
                callback=callback,
            )
            self._stream.start()
        except (ValueError, self._sounddevice.PortAudioError) as error:
            self.close()
            raise AudioError(f"The {self._word} cannot be opened: {error}") from error

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class SoundcardMicrophone(_Soundcard):
    """Off outside calls: the stream is open only between open() and close().

    Echo goes in the card's own thread, before any buffer of ours: there both ends count the same samples.
    """

    _kind, _word = "input", "microphone"

    def __init__(self, name: str, processing: SoundProcessing | None = None) -> None:
        super().__init__(name, processing)
        self._processing.hears_room = True

    def open(self) -> None:
        self._open(self._sounddevice.InputStream, self._on_samples)
        self._processing.set_latency(input_s=self._stream.latency)

    def read(self) -> Samples:
        return padded(self._buffer.read(FRAME_SAMPLES))

    def _on_samples(self, samples: Samples, count: int, time: object, status: object) -> None:
        self._buffer.write(self._processing.process(samples[:, 0].copy()))


class SoundcardSpeaker(_Soundcard):
    _kind, _word = "output", "speaker"

    def open(self) -> None:
        self._open(self._sounddevice.OutputStream, self._on_room)
        self._processing.set_latency(output_s=self._stream.latency)

    def write(self, samples: Samples) -> None:
        self._buffer.write(samples)

    def _on_room(self, out: Samples, count: int, time: object, status: object) -> None:
        samples = self._buffer.read(count)
        out[: len(samples), 0] = samples
        out[len(samples) :] = np.int16(0)
        self._processing.played(out[:, 0].copy())
