"""Which microphone and which speaker a device has."""

from dataclasses import dataclass
from typing import Protocol

from agent.audio import Microphone, Speaker
from agent.backends.files import FileMicrophone, FileSpeaker
from agent.backends.silent import SilentMicrophone, SilentSpeaker
from agent.backends.soundcard import SoundcardMicrophone, SoundcardSpeaker
from agent.processing import SoundProcessing


class SoundBackend(Protocol):
    """Makes both ends of a device's sound. What hears a room gives its sound to `processing`."""

    def microphone(self, processing: SoundProcessing) -> Microphone:
        """Raises AudioError."""

    def speaker(self, processing: SoundProcessing) -> Speaker:
        """Raises AudioError."""


@dataclass(frozen=True)
class NamedBackend:
    """What the command line asks for: names as `make_microphone` and `make_speaker` know them."""

    microphone_name: str
    speaker_name: str

    def microphone(self, processing: SoundProcessing) -> Microphone:
        return make_microphone(self.microphone_name, processing)

    def speaker(self, processing: SoundProcessing) -> Speaker:
        return make_speaker(self.speaker_name, processing)


def is_sound_card(name: str) -> bool:
    """Whether somebody may hear what goes there."""
    return name != "null" and not name.startswith("file:")


def make_microphone(name: str, processing: SoundProcessing | None = None) -> Microphone:
    """`null`, `file:PATH`, `file:PATH?loop`, `default` or the name of a sound device. Raises AudioError.

    A file hears no room, so it is left as it is.
    """
    if name == "null":
        return SilentMicrophone()
    if name.startswith("file:"):
        return FileMicrophone.from_name(name)
    return SoundcardMicrophone(name, processing)


def make_speaker(name: str, processing: SoundProcessing | None = None) -> Speaker:
    """`null`, `file:PATH`, `default` or the name of a sound device. Raises AudioError."""
    if name == "null":
        return SilentSpeaker()
    if name.startswith("file:"):
        return FileSpeaker.from_name(name)
    return SoundcardSpeaker(name, processing)
