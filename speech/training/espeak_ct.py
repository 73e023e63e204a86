"""Debian's libespeak-ng by ctypes: speech into memory, with the times of its words and phonemes.

Names and numbers are those of espeak-ng's speak_lib.h.
"""

import ctypes as C

import numpy as np
from numpy.typing import NDArray

_EVENT_WORD, _EVENT_END, _EVENT_PHONEME = 1, 5, 7
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS, _INITIALIZE_PHONEME_IPA = 1, 2
_CHARS_UTF8, _PHONEMES_IN = 1, 0x100
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7

# ("p", sample, ipa) a phoneme begins; ("w", sample, place, length) a word begins; ("e", sample) the end
Event = tuple[str | int, ...]


class _Id(C.Union):
    _fields_ = [("number", C.c_int), ("name", C.c_char_p), ("string", C.c_char * 8)]


class _Event(C.Structure):
    _fields_ = [
        ("type", C.c_int),
        ("unique_identifier", C.c_uint),
        ("text_position", C.c_int),
        ("length", C.c_int),
        ("audio_position", C.c_int),
        ("sample", C.c_int),
        ("user_data", C.c_void_p),
        ("id", _Id),
    ]


_Callback = C.CFUNCTYPE(C.c_int, C.POINTER(C.c_short), C.c_int, C.POINTER(_Event))


class Espeak:
    """One per process: the library keeps its state in globals."""

    def __init__(self) -> None:
        self._lib = C.CDLL("libespeak-ng.so.1")
        options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_PHONEME_IPA
        self.sample_rate_hz: int = self._lib.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, None, options)
        self._callback = _Callback(self._collect)  # kept: the library holds only its address
        self._lib.espeak_SetSynthCallback(self._callback)
        self._voice = ""

    def _collect(self, samples, count, events) -> int:
        if count > 0 and samples:
            self._audio.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != 0:
            event = events[i]
            if event.type == _EVENT_PHONEME:
                ipa = bytes(event.id.string).split(b"\0")[0].decode("utf-8", "replace")
                self._events.append(("p", event.sample, ipa))
            elif event.type == _EVENT_WORD:
                self._events.append(("w", event.sample, event.text_position, event.length))
            elif event.type == _EVENT_END:
                self._events.append(("e", event.sample))
            i += 1
        return 0

    def configure(
        self, voice: str = "en-us", rate: int = 175, pitch: int = 50, pitch_range: int = 50
    ) -> None:
        """`rate` in words per minute; pitch and its range from 0 to 100. Raises ValueError for an unknown voice."""
        if voice != self._voice:
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"espeak-ng has no voice {voice}")
            self._voice = voice
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range), (_WORD_GAP, 0)):
            self._lib.espeak_SetParameter(parameter, int(value), 0)

    def synthesize(self, text: str, are_phonemes: bool = False) -> tuple[NDArray[np.int16], list[Event]]:
        """Samples at `sample_rate_hz` and events, whose times are positions in them."""
        self._audio: list[NDArray[np.int16]] = []
        self._events: list[Event] = []
        data = text.encode("utf-8")
        flags = _CHARS_UTF8 | (_PHONEMES_IN if are_phonemes else 0)
        self._lib.espeak_Synth(C.c_char_p(data), len(data) + 1, 0, 1, 0, flags, None, None)
        audio = np.concatenate(self._audio) if self._audio else np.zeros(0, np.int16)
        return audio, self._events
