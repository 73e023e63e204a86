"""Speech that is made on the device itself. The only module that knows espeak-ng."""

import ctypes
import io
import threading
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from agent.audio import Samples, decode
from agent.errors import VoiceError

_INTO_CALLBACK: Final = 2  # AUDIO_OUTPUT_SYNCHRONOUS: in the caller's thread, and nothing is played
_DONT_EXIT: Final = 0x8000  # without it, data that is missing ends the whole program
_BUFFER_MS: Final = 1000  # each call back waits for Python's lock, so a few only
_UTF_8: Final = 1
_RATE: Final = 1
_LANGUAGE: Final = b"en"  # as in Great Britain
_WORDS_A_MINUTE: Final = 140  # its own 175 is too quick for somebody who types along
_PAUSE_S: Final = 0.3
_MOST_S: Final = 300.0

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p)

# espeak-ng keeps its state in variables of its own.
_one_at_a_time = threading.Lock()


def speak(sentences: Sequence[str]) -> Samples:
    """English, with a pause after each sentence. Blocks, on a PC for 1/500 of what it says. Raises VoiceError."""
    with _one_at_a_time, _loaded() as voice:
        for sentence in sentences:
            voice.say(sentence)
        return decode(voice.sound(), max_s=_MOST_S)


class _Voice:
    def __init__(self, espeak: ctypes.CDLL, rate_hz: int) -> None:
        self._espeak, self._rate_hz = espeak, rate_hz
        self._pcm = bytearray()
        self._callback = _Callback(self._take)  # espeak-ng keeps its address only
        espeak.espeak_SetSynthCallback(self._callback)
        espeak.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
            ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        if espeak.espeak_SetVoiceByName(_LANGUAGE) or espeak.espeak_SetParameter(_RATE, _WORDS_A_MINUTE, 0):
            raise VoiceError("its voice speaks no English.")

    def say(self, sentence: str) -> None:
        text = sentence.encode()
        if self._espeak.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF_8, None, None):
            raise VoiceError("its voice cannot say it.")
        self._pcm += bytes(2 * round(_PAUSE_S * self._rate_hz))

    def sound(self) -> io.BytesIO:
        """All that it said, as a WAV file."""
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(self._rate_hz)
            sound.writeframes(self._pcm)
        file.seek(0)
        return file

    def _take(self, samples: "ctypes._Pointer[ctypes.c_int16]", count: int, _: object) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, 2 * count)
        return 0


@contextmanager
def _loaded() -> Iterator[_Voice]:
    """Only while it speaks: a device speaks for a minute and then, for years, not at all."""
    try:
        import espeakng_loader

        espeak, data = ctypes.CDLL(espeakng_loader.get_library_path()), espeakng_loader.get_data_path()
    except (ImportError, OSError, RuntimeError):
        raise VoiceError("there is no voice for this kind of machine.") from None
    rate_hz = espeak.espeak_Initialize(_INTO_CALLBACK, _BUFFER_MS, data.encode(), _DONT_EXIT)
    try:
        if rate_hz <= 0:
            raise VoiceError("its voice cannot be loaded.")
        yield _Voice(espeak, rate_hz)
    finally:
        espeak.espeak_Terminate()
