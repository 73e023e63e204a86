import asyncio
from pathlib import Path

import numpy as np
import pytest

from media.sound.player import BUFFERED_FRAMES, ClipError, ClipPlayer
from sound.opus import Samples
from tests.fakes.peer import loudest_hz, write_tone

pytestmark = pytest.mark.unit


async def play(clip: ClipPlayer) -> Samples:
    """Everything, as fast as the decoder gives it."""
    parts: list[Samples] = []
    async with asyncio.timeout(10):
        while not clip.finished:
            before = clip.underruns
            frame = clip.frame()
            if clip.underruns > before:
                await asyncio.sleep(0.005)
            elif not clip.finished:
                parts.append(frame)
    assert await asyncio.to_thread(clip.join, 5)
    return np.concatenate(parts)


async def test_a_clip_of_another_rate_comes_as_whole_frames_at_48_khz(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", frequency_hz=500, seconds=1.01, rate=22_050)
    samples = await play(await ClipPlayer.open(path))
    assert samples.size % 960 == 0
    assert samples.size / 48_000 == pytest.approx(1.01, abs=0.03)
    assert loudest_hz(samples) == pytest.approx(500, abs=2)


async def test_the_decoder_waits_when_the_buffer_is_full(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", frequency_hz=500, seconds=60)
    clip = await ClipPlayer.open(path)
    async with asyncio.timeout(10):
        while clip._frames.qsize() < BUFFERED_FRAMES:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert clip._frames.qsize() == BUFFERED_FRAMES
    clip.close()
    assert await asyncio.to_thread(clip.join, 5)
    assert not clip.frame().any()


async def test_a_clip_that_breaks_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", frequency_hz=500, seconds=2)
    path.write_bytes(path.read_bytes()[: 22_050 * 2 + 44])
    samples = await play(await ClipPlayer.open(path))
    assert samples.size / 48_000 == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("content", [None, b"", b"hello", b"RIFF0000WAVE"])
async def test_what_is_no_clip_is_refused_with_words(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClipError, match=r"The clip .+\."):
        await ClipPlayer.open(path)
