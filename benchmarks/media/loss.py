"""R10: calls over a way that loses packets: whether they live, and which words their recordings still hold.

Two real aiortc peers say test sentences at the same time through a real worker, with the encoder of the agent. On the
way to it a share of their RTP packets is dropped at random; the recordings are written down by the shipped recogniser.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from agent import uplink
from benchmarks.environment import django_ready
from benchmarks.figures import Figure, Options, figure
from media.door import LegState
from media.worker import MediaWorker
from protocol.worker import CallClose
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer

FIGURES: Final = ("R10",)

BARS: Final = {0.02: 2, 0.05: 5, 0.10: 15}  # points of word errors more than without loss
MOST_LENGTH_ERROR_S: Final = 0.1  # a minute
QUICK_SENTENCES: Final = 6


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one call. `length_error` in seconds a minute, of a shorter call in seconds."""

    wrong: float
    length_error: float
    is_kept: bool


def measure(options: Options) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        django_ready(Path(folder))
        return _measured(options)


def _measured(options: Options) -> list[Figure]:
    from tests.speech.test_words import SENTENCES

    sentences = SENTENCES[:QUICK_SENTENCES] if options.is_quick else SENTENCES
    base = asyncio.run(_call(sentences, loss=0.0))
    found, outcomes = [], [base]
    for loss, bar in BARS.items():
        outcome = asyncio.run(_call(sentences, loss=loss))
        outcomes.append(outcome)
        words = f"{outcome.wrong:.1%} wrong, without loss {base.wrong:.1%}; {len(sentences)} sentences"
        more = 100 * (outcome.wrong - base.wrong)
        name = f"word errors at {loss:.0%} loss, more than without"
        found.append(figure(f"R10.{loss:.0%}"[:-1], name, more, "points", bar=f"<= {bar}", reference=words))
    worst, kept = max(one.length_error for one in outcomes), sum(one.is_kept for one in outcomes)
    most = f"<= {MOST_LENGTH_ERROR_S}"
    found.append(figure("R10.length", "length of a recording, error a minute", worst, "s", bar=most))
    found.append(figure("R10.kept", "calls that lived", kept, "calls", bar=f"= {len(outcomes)}"))
    return found


async def _call(sentences: list[str], *, loss: float) -> Outcome:
    from tests.media.test_words import SpeakingTrack, speech, words_of
    from tests.speech.sounds import word_errors, words

    shares = [sentences[i::2] for i in range(2)]
    tracks = [SpeakingTrack(speech(share)) for share in shares]
    door, call_id = FakeDoor(), uuid4()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "recordings"
        worker = MediaWorker(door, recordings_root=root, captures_root=Path(folder) / "captures")
        peers = [RealPeer(worker, door) for _ in shares]
        for number, (peer, track) in enumerate(zip(peers, tracks, strict=True)):
            peer.microphone = track
            await peer.connect(call_id=call_id, recording_name=f"{number}.ogg")
            uplink.take_over(peer.connection.getSenders()[0])
            _lose(peer, loss, seed=number)
        for _ in peers:
            await door.wait_for("recording_started")
        for track in tracks:
            track.begin()
        await asyncio.gather(*(track.done.wait() for track in tracks))
        states = [state for peer in peers for state in door.states(peer.leg_id)]
        ended_at_s = time.time()
        await worker.handle(CallClose(call_id=call_id))
        await worker.aclose()
        for peer in peers:
            await peer.close()
        files = [told.recording for told in door.all("recording_finished")]
        lengths = [(file.duration_s, ended_at_s - file.started_at_s) for file in files]
        heard = [
            await asyncio.to_thread(words_of, door.sound(root, f"{number}.ogg"))
            for number in range(len(shares))
        ]
    errors = sum(word_errors(" ".join(share), text) for share, text in zip(shares, heard, strict=True))
    return Outcome(
        wrong=errors / len(words(" ".join(sentences))),
        length_error=max(abs(is_s - should_s) / max(should_s / 60, 1) for is_s, should_s in lengths),
        is_kept=set(states) == {LegState.CONNECTED} and len(files) == len(shares),
    )


def _lose(peer: RealPeer, share: float, *, seed: int) -> None:
    """Drop that share of the peer's RTP; RTCP (RFC 5761 section 4) passes."""
    way: Any = peer.connection.getSenders()[0].transport
    chance = random.Random(seed)
    send: Callable[[bytes], Awaitable[None]] = way._send_rtp

    async def lossy(data: bytes) -> None:
        is_rtcp = 192 <= data[1] <= 223
        if is_rtcp or chance.random() >= share:
            await send(data)

    way._send_rtp = lossy
