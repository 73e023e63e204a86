"""What a device says while it waits to be claimed: its typed code, and the four words of its key.

It makes the sound itself. The words show whether somebody stands between it and the hub, so nothing that came over the
network may be their voice. Of what the hub sent it says single letters, and nothing else.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from agent.audio import Samples
from agent.background import Background
from agent.errors import AudioError, VoiceError
from agent.playout import Playout
from agent.qr import group_code
from protocol.enrollment import USER_CODE_LENGTH

log = structlog.get_logger(__name__)

# Blocks; raises VoiceError. agent.espeak.speak, and in tests something shorter.
Voice = Callable[[Sequence[str]], Samples]

CODES_SAID: Final = 3  # of 15 minutes each: whoever has just switched it on is there, later it is night
# The letters of protocol.enrollment.USER_CODE_ALPHABET, as pilots spell them (ICAO Annex 10).
SPELLED: Final = {
    "B": "Bravo", "C": "Charlie", "D": "Delta", "F": "Foxtrot", "G": "Golf", "H": "Hotel", "J": "Juliett",
    "K": "Kilo", "L": "Lima", "M": "Mike", "N": "November", "P": "Papa", "Q": "Quebec", "R": "Romeo",
    "S": "Sierra", "T": "Tango", "V": "Victor", "W": "Whiskey", "X": "X-ray", "Z": "Zulu",
}  # fmt: skip
_HELLO: Final = "Hello. I am not part of a home yet."
_HOW: Final = "To add me, open Hearthline on your phone, choose Add device, and type my code."
_END: Final = "To hear this again, switch me off and on."


def introduction_sentences(*, user_code: str, words: str) -> list[str]:
    """Code and words, twice. Raises VoiceError for what is no code."""
    try:
        first, second = ([_letter(sign) for sign in half] for half in group_code(user_code).split("-"))
    except (KeyError, ValueError):
        first = second = []
    if not len(first) == len(second) == USER_CODE_LENGTH // 2:
        raise VoiceError("its hub gives out codes that it cannot spell.")
    mine = [f"{word}." for word in words.split()]
    code = ["The first five letters are:", *first, "And the last five:", *second]
    check = ["Then the page shows four words. Mine are:", *mine, "If it shows others, do not add me."]
    return [_HELLO, _HOW, *code, *check, "Once more.", *code, *check, _END]


def _letter(sign: str) -> str:
    return f"{sign}, as in {SPELLED[sign]}."


class Introduction:
    """Said from its beginning with each code, and whenever somebody asks; silent at once after `stop`."""

    def __init__(self, *, voice: Voice | None, playout: Playout, background: Background) -> None:
        """`voice`: None for a device that shows its code and says nothing."""
        self._voice, self._playout, self._background = voice, playout, background
        self._task: asyncio.Task[None] | None = None
        self._prepared = ""  # the code whose sound is being made
        self._code_count = 0

    def begin(self) -> None:
        """The device begins to wait for somebody who claims it."""
        self._code_count = 0

    def say(self, *, user_code: str, words: str, is_asked: bool) -> None:
        """Does nothing after the first codes unless somebody asked."""
        self._code_count += not is_asked
        is_too_late = self._code_count > CODES_SAID and not is_asked
        # A key that is held down comes thirty times a second, and asks for one sound.
        if self._voice is None or is_too_late or self._prepared == user_code:
            return
        self.stop()
        self._prepared = user_code
        work = self._say(self._voice, user_code=user_code, words=words)
        self._task = self._background.start(work, name="introduction")

    def stop(self) -> None:
        self._prepared = ""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _say(self, voice: Voice, *, user_code: str, words: str) -> None:
        try:
            sentences = introduction_sentences(user_code=user_code, words=words)
            samples = await asyncio.to_thread(voice, sentences)
            self._prepared = ""
            await self._playout.play(samples)
        except VoiceError as error:
            self._voice = None  # and one line in the log
            log.warning("This device shows its code and does not say it: {reason}", reason=str(error))
        except AudioError:  # the playout has said why
            self._prepared = ""
