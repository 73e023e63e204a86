"""Words, not plumbing: text, demo voice, Opus, WebRTC, the recording, faster-whisper, and words again."""

import asyncio
import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
import pytest
from av import AudioFrame

from announcements.speech import speak
from media.worker import MediaWorker
from protocol.worker import CallClose
from tests.fakes.door import FakeDoor
from tests.fakes.peer import FRAME, RATE, RealPeer, ToneTrack
from tests.speech.sounds import word_errors, words
from tests.speech.test_words import SENTENCES
from transcripts.recogniser import transcriber_get

pytestmark = [pytest.mark.unit, pytest.mark.timeout(300)]

WRONG_AT_MOST = 0.05
PAUSE_S = 1.0
Samples = npt.NDArray[np.int16]


class SpeakingTrack(ToneTrack):
    """Silence, until `begin` is called; then the samples, once."""

    def __init__(self, samples: Samples) -> None:
        super().__init__(0)
        self._samples = samples
        self._begin: int | None = None
        self.done = asyncio.Event()

    def begin(self) -> None:
        self._begin = self._position

    async def recv(self) -> AudioFrame:
        if self._started_at is None:
            self._started_at = time.monotonic() - self._position / RATE
        await asyncio.sleep(max(0.0, self._started_at + self._position / RATE - time.monotonic()))
        samples = np.zeros(FRAME, np.int16)
        if self._begin is not None:
            part = self._samples[self._position - self._begin :][:FRAME]
            samples[: len(part)] = part
            if not len(part):
                self.done.set()
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._position, Fraction(1, RATE)
        self._position += FRAME
        return frame


def speech(sentences: list[str]) -> Samples:
    pause = np.zeros(round(PAUSE_S * RATE), np.int16)
    return np.concatenate([part for sentence in sentences for part in (pause, *speak(sentence), pause)])


def is_recording_of(participant_id: UUID, told: SimpleNamespace) -> bool:
    return bool(told.recording.participant_id == participant_id)


def words_of(source: BinaryIO) -> str:
    return " ".join(segment.text for segment in transcriber_get().transcribe(source, language="en"))


async def test_at_most_5_percent_of_20_sentences_are_wrong_after_a_call(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    """Two calls beside each other: each of the four people says five of the sentences, all at the same time."""
    calls = [uuid4(), uuid4()]
    shares = [SENTENCES[i::4] for i in range(4)]
    tracks = [SpeakingTrack(speech(share)) for share in shares]
    peers = [RealPeer(worker, door) for _ in shares]
    for number, (peer, track) in enumerate(zip(peers, tracks, strict=True)):
        peer.microphone = track
        await peer.connect(call_id=calls[number % 2], recording_name=f"{number}.ogg")
    for peer in peers:
        await door.wait_for("recording_started", partial(is_recording_of, peer.participant_id))
    for track in tracks:
        track.begin()
    async with asyncio.timeout(120):
        await asyncio.gather(*(track.done.wait() for track in tracks))
    for call_id in calls:
        await worker.handle(CallClose(call_id=call_id))
    for peer in peers:
        whose = peer.participant_id
        await door.wait_for("recording_finished", partial(is_recording_of, whose))
    for peer in peers:
        await peer.close()
    wrong = {}
    for number, share in enumerate(shares):
        heard = await asyncio.to_thread(words_of, door.sound(recordings, f"{number}.ogg"))
        wrong[" ".join(share)] = word_errors(" ".join(share), heard), heard
    errors = sum(count for count, _ in wrong.values())
    fraction = errors / sum(len(words(said)) for said in wrong)
    print(f"\n{fraction:.1%} of the words wrong over {len(SENTENCES)} sentences, after a call over WebRTC")
    assert fraction <= WRONG_AT_MOST, wrong
