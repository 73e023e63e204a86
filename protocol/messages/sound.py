"""Sound through a live connection: voices, words that are spoken, words that were heard."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from protocol.base import Message, Part

MAX_SPEECH_CHARS = 500
VoiceId = Annotated[str, Field(min_length=1, max_length=100)]


class Voice(Part):
    voice_id: VoiceId
    name: str
    language: str
    is_demo: bool
    tone_hz: int  # the pitch of this voice's test tone


class Start(Message):
    """Play the voice's test tone into the client's own connection until `stop`."""

    type: Literal["start"] = "start"
    voice_id: VoiceId


class Stop(Message):
    type: Literal["stop"] = "stop"


class Speak(Message):
    """Speak into the live connection: of the call, or of the client alone."""

    type: Literal["speak"] = "speak"
    text: str  # how long it may be is for the speech to say, in words; the message has its own limit
    voice_id: VoiceId | None = None
    call_id: UUID | None = None


class MicStart(Message):
    type: Literal["mic_start"] = "mic_start"


class MicStop(Message):
    """Ends the capture; `transcription` answers it."""

    type: Literal["mic_stop"] = "mic_stop"


class Transcription(Message):
    """Words. With call_id: a hint that the transcript of that call has more; the page reads it there."""

    type: Literal["transcription"] = "transcription"
    text: str
    final: bool
    call_id: UUID | None = None
