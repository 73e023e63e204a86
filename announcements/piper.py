"""Piper from a local folder. The only module that imports it."""

import logging
from collections.abc import Iterator
from pathlib import Path

from piper import PiperVoice

from announcements.synthesizer import Samples
from common.speech_models import ModelDamaged

# It writes every text at DEBUG; what people say stays out of every log.
logging.getLogger("piper").setLevel(logging.WARNING)


class PiperSynthesizer:
    """One loaded voice: a folder with NAME.onnx and NAME.onnx.json. Raises ModelDamaged."""

    def __init__(self, folder: Path, *, voice_id: str, is_demo: bool) -> None:
        self.voice_id = voice_id
        self.is_demo = is_demo
        models = sorted(folder.glob("*.onnx"))
        if len(models) != 1:
            raise ModelDamaged(f"The voice “{voice_id}” has {len(models)} .onnx files instead of one.")
        try:
            self._voice = PiperVoice.load(models[0], download_dir=folder)
        except Exception as error:  # onnxruntime raises types of its own that it does not export
            raise ModelDamaged(f"The voice “{voice_id}” cannot be loaded.") from error
        self.sample_rate_hz = int(self._voice.config.sample_rate)

    def synthesize(self, text: str) -> Iterator[Samples]:
        """See Synthesizer."""
        # Piper reads [[...]] as phonemes; people write brackets and mean brackets.
        for chunk in self._voice.synthesize(text.replace("[[", "[ [")):
            if len(chunk.audio_float_array):
                yield chunk.audio_int16_array
