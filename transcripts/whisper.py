"""faster-whisper from a local folder. The only module that imports it; it never asks a model hub."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.vad import VadOptions, get_speech_timestamps

from common.speech_models import ModelDamaged
from transcripts.engine import Segment, Word
from transcripts.listening import RATE_HZ, Piece, Samples, decode, speech
from transcripts.sentences import sentences

_MIN_SILENCE_MS = 500
_MIN_SPEECH_MS = 100
_PAD_MS = 250
_INAUDIBLE = 0.001  # of full scale, -60 dB
_PACK_GAP_S = 0.3
_MAX_THREADS = 4
_TEMPERATURES = (0.0, 0.2, 0.4)  # Whisper repeats itself now and then; a warmer second try ends that

# They write texts at DEBUG; what people said stays out of every log.
logging.getLogger("faster_whisper").setLevel(logging.WARNING)


@dataclass(frozen=True)
class _Placed:
    """Where a piece lies in a packed window, and where it came from."""

    at_s: float
    piece: Piece


class WhisperTranscriber:
    """One loaded model. int8 on the CPU; about 20 MB for the demo model, 250 MB for `base`."""

    def __init__(self, folder: Path, *, name: str, is_demo: bool) -> None:
        self.model_name = name
        self.is_demo = is_demo
        try:
            self._model = WhisperModel(
                str(folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=min(_MAX_THREADS, os.cpu_count() or 1),
                local_files_only=True,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise ModelDamaged(f"The speech recogniser “{name}” cannot be loaded.") from error
        # The demo model has seen no more than one window of a few sentences at a time.
        self._window_s = float(self._model.feature_extractor.chunk_length)
        self._is_packing = not is_demo
        self._temperatures = _TEMPERATURES[:1] if is_demo else _TEMPERATURES

    def transcribe(self, source: Path | BinaryIO, *, language: str | None) -> Iterator[Segment]:
        """See Transcriber. Memory does not grow with the length of the file."""
        pieces = speech(decode(source), self._detect)
        return sentences(
            chain.from_iterable(self._words(window, language) for window in self._windows(pieces))
        )

    def _detect(self, samples: Samples) -> list[tuple[int, int]]:
        """Silero's voice activity detection, whose model comes with faster-whisper."""
        if np.abs(samples).max() < _INAUDIBLE:  # a muted microphone for an hour costs nothing
            return []
        options = VadOptions(
            min_silence_duration_ms=_MIN_SILENCE_MS,
            min_speech_duration_ms=_MIN_SPEECH_MS,
            speech_pad_ms=_PAD_MS,
            max_speech_duration_s=self._window_s - 0.5,
        )
        spans = get_speech_timestamps(samples, options, sampling_rate=RATE_HZ)
        return [(int(span["start"]), int(span["end"])) for span in spans]

    def _windows(self, pieces: Iterator[Piece]) -> Iterator[list[_Placed]]:
        """A window of Whisper costs the same for 1 s as for 30 s, so short pieces share one."""
        window: list[_Placed] = []
        end_s = 0.0
        for piece in pieces:
            if window and (not self._is_packing or end_s + piece.duration_s > self._window_s):
                yield window
                window, end_s = [], 0.0
            window.append(_Placed(end_s, piece))
            end_s += piece.duration_s + _PACK_GAP_S
        if window:
            yield window

    def _language(self, tag: str | None) -> str | None:
        """BCP 47 to Whisper's two letters; None, for a language that it does not know, lets it find out."""
        known = self._model.supported_languages
        code = tag.replace("_", "-").split("-")[0].lower() if tag else None
        return known[0] if len(known) == 1 else code if code in known else None

    def _words(self, window: list[_Placed], language: str | None) -> Iterator[Word]:
        segments, _info = self._model.transcribe(
            _packed(window),
            language=self._language(language),
            beam_size=5,
            temperature=self._temperatures,
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=False,
        )
        for segment in segments:
            for word in segment.words or ():
                yield _in_file(word.word, float(word.start), float(word.end), float(word.probability), window)


def _packed(window: list[_Placed]) -> Samples:
    gap = np.zeros(round(_PACK_GAP_S * RATE_HZ), np.float32)
    parts = chain.from_iterable((placed.piece.samples, gap) for placed in window)
    return np.concatenate(list(parts))


def _in_file(text: str, start_s: float, end_s: float, probability: float, window: list[_Placed]) -> Word:
    """Times in the window to times in the file: a word belongs to the piece that holds its middle."""
    middle = (start_s + end_s) / 2
    placed = next((p for p in reversed(window) if p.at_s <= middle), window[0])
    piece = placed.piece
    first = min(max(start_s - placed.at_s, 0.0), piece.duration_s)
    last = min(max(end_s - placed.at_s, first), piece.duration_s)
    return Word(text, piece.start_s + first, piece.start_s + last, probability)
