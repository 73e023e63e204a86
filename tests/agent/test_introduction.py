"""What a device says while it waits to be claimed, when, and when not."""

import asyncio
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agent.app import Agent
from agent.arguments import arguments_read
from agent.audio import Microphone, Samples, Speaker
from agent.backends.silent import SilentMicrophone, SilentSpeaker
from agent.config import config_from
from agent.errors import AudioError, VoiceError
from agent.espeak import speak
from agent.identity import key_pem
from agent.introduction import SPELLED, introduction_sentences
from agent.processing import SoundProcessing
from agent.transfer import TransferNote, transfer_keep
from protocol.enrollment import USER_CODE_ALPHABET, USER_CODE_LENGTH
from tests.agent.conftest import Eventually, StartAgent
from tests.agent.sounds import read_wav, tone
from tests.agent.test_transfer import CODE as TRANSFER_CODE
from tests.agent.test_transfer import OLD
from tests.fakes.hub import CODE, FakeHub

pytestmark = pytest.mark.integration

WORDS = "grab regret employ depend"
_LETTER = re.compile(r"([A-Z]), as in (\S+)\.")


def spelled(sentences: Sequence[str]) -> str:
    return "".join(match[1] for line in sentences if (match := _LETTER.fullmatch(line)))


@dataclass
class FakeVoice:
    """Hums for as long as a sentence or a speech would take."""

    seconds: float = 30.0
    said: list[list[str]] = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go_on.set()

    def __call__(self, sentences: Sequence[str]) -> Samples:
        self.said.append(list(sentences))
        self.may_go_on.wait(60)
        return tone(hz=500.0, seconds=self.seconds)


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    return tmp_path / "speaker.wav"


def nobody_claims(hub: FakeHub) -> None:
    hub.token_answers.extend(["authorization_pending"] * 100_000)


async def plays_on(path: Path) -> bool:
    """Whether the loudspeaker still gets sound, seconds before FakeVoice has said all."""
    for _ in range(10):
        before = len(read_wav(path))
        await asyncio.sleep(0.3)
        if len(read_wav(path)) == before:
            return False
    return True


# --- the words --------------------------------------------------------------------------------


@given(st.text(USER_CODE_ALPHABET, min_size=USER_CODE_LENGTH, max_size=USER_CODE_LENGTH))
def test_each_letter_of_a_code_is_said_in_its_order_and_twice(code: str) -> None:
    sentences = introduction_sentences(user_code=code, words=WORDS)
    assert spelled(sentences) == code + code
    assert spelled(introduction_sentences(user_code=f"{code[:5]}-{code[5:]}", words=WORDS)) == code + code
    gap = sentences.index("And the last five:")
    assert spelled(sentences[:gap]) == code[:5]


def test_each_letter_has_a_word_of_its_own_that_begins_with_it() -> None:
    assert "".join(SPELLED) == USER_CODE_ALPHABET
    assert all(word.startswith(letter) for letter, word in SPELLED.items())
    assert len(set(SPELLED.values())) == len(USER_CODE_ALPHABET)


def test_the_four_words_are_said_after_the_code_each_time() -> None:
    text = " ".join(introduction_sentences(user_code=CODE, words=WORDS))
    assert len(re.findall(r"M, as in Mike\. Then .*?: grab\. regret\. employ\. depend\.", text)) == 2
    assert text.count("If it shows others, do not add me.") == 2


@pytest.mark.parametrize("code", ["BCDFG-HJKL1", "", "Visit my page. Ignore", "BCDFG-HJ KLM", "ÄBCDFGHJKL"])
def test_of_what_a_hub_sends_only_letters_are_said(code: str) -> None:
    with pytest.raises(VoiceError):
        introduction_sentences(user_code=code, words=WORDS)


# --- in a room --------------------------------------------------------------------------------


async def test_what_comes_out_of_the_loudspeaker_is_its_code_and_the_words_of_its_own_key(
    hub: FakeHub, start_agent: StartAgent, heard: Path, eventually: Eventually
) -> None:
    nobody_claims(hub)
    texts: list[Sequence[str]] = []
    sounds: list[Samples] = []

    def voice(sentences: Sequence[str]) -> Samples:
        texts.append(sentences)
        sounds.append(speak(sentences))
        return sounds[-1]

    async with start_agent(says_code=True, voice=voice) as agent:
        await eventually(lambda: len(read_wav(heard)) > 48_000)
        played = read_wav(heard)
    assert texts == [introduction_sentences(user_code=CODE, words=agent.identity.words)]
    assert 60 < len(sounds[0]) / 48_000 < 90
    assert np.abs(played).max() > 5_000
    assert np.array_equal(played, sounds[0][: len(played)])


async def test_claimed_it_falls_silent_at_once(
    hub: FakeHub, start_agent: StartAgent, heard: Path, eventually: Eventually
) -> None:
    nobody_claims(hub)
    async with start_agent(says_code=True, voice=FakeVoice()):
        await eventually(lambda: len(read_wav(heard)) > 4800)
        hub.token_answers.clear()
        await hub.online()
        assert not await plays_on(heard)


async def test_it_says_three_codes_and_then_only_when_somebody_asks(
    hub: FakeHub, start_agent: StartAgent, heard: Path, eventually: Eventually
) -> None:
    nobody_claims(hub)
    voice = FakeVoice()
    async with start_agent(says_code=True, voice=voice) as agent:
        for count in range(1, 4):
            before = len(read_wav(heard)) if heard.exists() else 0
            await eventually(lambda before=before: len(read_wav(heard)) > before + 9600)  # type: ignore[misc]
            assert len(voice.said) == count
            hub.token_answers.appendleft("expired_token")
            await hub.until_http(authorizations=count + 1)
        assert not await plays_on(heard), "nor the code that is over"
        hub.token_answers.appendleft("access_denied")
        await hub.until_http(authorizations=5)
        assert not await plays_on(heard)
        before = len(read_wav(heard))
        await agent.press()
        await eventually(lambda: len(read_wav(heard)) > before + 9600)
        assert len(voice.said) == 4
        assert spelled(voice.said[-1]) == 2 * CODE


async def test_a_device_that_was_removed_says_the_words_of_its_new_key(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    voice = FakeVoice()
    nobody_claims(hub)
    async with start_agent(says_code=True, voice=voice) as agent:
        await eventually(lambda: len(voice.said) == 1)
        old = agent.identity.words
        hub.token_answers.clear()
        await hub.online()
        nobody_claims(hub)
        await hub.send(hub.unclaimed(hub.hellos[0].nonce))
        await eventually(lambda: len(voice.said) == 2)
        text = " ".join(voice.said[-1])
        assert agent.identity.words != old
        assert ". ".join(agent.identity.words.split()) in text


async def test_enter_begins_again_and_a_key_held_down_asks_once(
    hub: FakeHub, start_agent: StartAgent, heard: Path, eventually: Eventually
) -> None:
    nobody_claims(hub)
    voice = FakeVoice()
    async with start_agent(says_code=True, voice=voice) as agent:
        await eventually(lambda: len(read_wav(heard)) > 0)
        voice.may_go_on.clear()
        for _ in range(5):
            await agent.press()
            await asyncio.sleep(0)
        await eventually(lambda: len(voice.said) == 2)
        voice.may_go_on.set()
        await asyncio.sleep(0.1)
        assert len(voice.said) == 2


async def test_enter_on_a_claimed_device_says_no_code(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    voice = FakeVoice()
    nobody_claims(hub)
    async with start_agent(says_code=True, voice=voice) as agent:
        await eventually(lambda: len(voice.said) == 1)
        hub.token_answers.clear()
        await hub.online()
        await agent.press()
        await asyncio.sleep(0.1)
        assert len(voice.said) == 1


async def test_a_device_that_is_taken_over_and_shows_no_code_says_none(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    note = TransferNote(
        hub_url=hub.url, hub_id=hub.hub_id, code=TRANSFER_CODE, old_key_pem=key_pem(OLD).decode()
    )
    transfer_keep(tmp_path / "data", note)
    voice = FakeVoice()
    async with start_agent(says_code=True, voice=voice):
        await hub.online()
    assert voice.said == []


async def test_without_a_voice_it_says_so_once_and_is_claimed_all_the_same(
    hub: FakeHub, start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    nobody_claims(hub)
    with capture_logs() as lines:
        async with start_agent(says_code=True) as agent:
            await eventually(lambda: bool(told(lines)))
            hub.token_answers.appendleft("expired_token")
            await hub.until_http(authorizations=2)
            await agent.press()
            await asyncio.sleep(0.1)
            hub.token_answers.clear()
            await hub.online()
    assert told(lines) == ["there is no voice for this kind of machine."]


def told(lines: Sequence[object]) -> list[str]:
    return [
        str(line["reason"])
        for line in lines
        if isinstance(line, dict) and "does not say it" in str(line.get("event"))
    ]


class BrokenSpeaker(SilentSpeaker):
    def open(self) -> None:
        raise AudioError("The speaker is unplugged.")


class BrokenBackend:
    def microphone(self, processing: SoundProcessing) -> Microphone:
        return SilentMicrophone()

    def speaker(self, processing: SoundProcessing) -> Speaker:
        return BrokenSpeaker()


async def test_a_loudspeaker_that_fails_keeps_nobody_from_adding_it(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    nobody_claims(hub)
    with capture_logs() as lines:
        async with start_agent(says_code=True, voice=FakeVoice(), backend=BrokenBackend()) as agent:
            await eventually(lambda: any(line.get("reason") == "The speaker is unplugged." for line in lines))
            hub.token_answers.clear()
            await hub.online()
            assert agent.identity.is_claimed
    assert not [line for line in lines if "exc_info" in line]


# --- whether it speaks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "speaks"),
    [
        ("", True),
        ("--speaker USB", True),
        ("--speaker null", False),
        ("--speaker file:x.wav", False),
        ("--no-say-code", False),
        ("run --no-say-code", False),
        ("--speaker file:x.wav --say-code", True),
    ],
)
def test_a_device_with_a_sound_card_speaks_unless_told_otherwise(words: str, speaks: bool) -> None:
    arguments = arguments_read(["--data-dir", "d", *words.split()])
    assert config_from(arguments, remembered_hub_url="http://hub.local").says_code is speaks


async def test_a_device_that_was_told_to_be_quiet_is(hub: FakeHub, start_agent: StartAgent) -> None:
    voice = FakeVoice()
    hub.token_answers.extend(["authorization_pending"] * 50)
    async with start_agent(says_code=False, voice=voice) as agent:
        await agent.press()
        await hub.online()
        assert isinstance(agent, Agent)
    assert voice.said == []
