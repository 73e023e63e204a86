"""Announcements: played once, whatever the hub and the power do."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.announcer import MAX_WAITING
from agent.state import State
from protocol.messages.announcements import AnnounceProgress, DeliveryState
from protocol.messages.calls import CallEnd
from tests.agent.conftest import Eventually, StartAgent
from tests.agent.sounds import Samples, read_wav, tone, wav_bytes
from tests.fakes.hub import FakeHub
from tests.fakes.leg import level_db, tone_share

pytestmark = pytest.mark.integration

CLIP_HZ = 600.0
CLIP = wav_bytes(tone(hz=CLIP_HZ, seconds=0.4))


def states(hub: FakeHub) -> list[DeliveryState]:
    return [message.state for message in hub.all(AnnounceProgress)]


def loud_s(samples: Samples) -> float:
    """Seconds in which something sounds."""
    frames = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    return float((abs(frames).max(axis=1) > 500).sum() * 0.01)


async def test_it_fetches_checks_plays_and_reports(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent():
        await hub.online()
        await hub.send(hub.make_announcement(CLIP))
        await hub.received(AnnounceProgress, count=2)
    assert states(hub) == [DeliveryState.FETCHED, DeliveryState.PLAYED]
    played = read_wav(tmp_path / "speaker.wav")
    assert loud_s(played) == pytest.approx(0.4, abs=0.03)
    assert tone_share(played, CLIP_HZ) > 0.8


async def test_a_clip_of_another_rate_keeps_its_pitch_and_length(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    clip = wav_bytes(tone(hz=CLIP_HZ, seconds=0.5, rate_hz=22_050), rate_hz=22_050)
    async with start_agent():
        await hub.online()
        await hub.send(hub.make_announcement(clip))
        await hub.received(AnnounceProgress, count=2)
    played = read_wav(tmp_path / "speaker.wav")
    assert loud_s(played) == pytest.approx(0.5, abs=0.03)
    assert tone_share(played, CLIP_HZ) > 0.8


async def test_sent_twice_it_plays_once_and_reports_twice(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    announcement = hub.make_announcement(CLIP)
    async with start_agent():
        await hub.online()
        await hub.send(announcement)
        await hub.send(announcement)
        await hub.received(AnnounceProgress, count=2)
        await hub.send(announcement)
        await hub.received(AnnounceProgress, count=3)
    assert states(hub) == [DeliveryState.FETCHED, DeliveryState.PLAYED, DeliveryState.PLAYED]
    assert loud_s(read_wav(tmp_path / "speaker.wav")) == pytest.approx(0.4, abs=0.03)


async def test_after_a_restart_it_is_not_played_again(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    announcement = hub.make_announcement(CLIP)
    async with start_agent():
        await hub.online()
        await hub.send(announcement)
        await hub.received(AnnounceProgress, count=2)
    async with start_agent():
        await hub.online(count=2)
        await hub.send(announcement)
        await hub.received(AnnounceProgress, count=3)
    assert states(hub)[-1] is DeliveryState.PLAYED
    assert len(hub.clip_fetches) == 1
    assert loud_s(read_wav(tmp_path / "speaker.wav")) == pytest.approx(0.4, abs=0.03)


async def test_several_play_in_order_and_one_at_a_time(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    pitches = (500.0, 900.0, 1400.0)
    async with start_agent():
        await hub.online()
        for hz in pitches:
            await hub.send(hub.make_announcement(wav_bytes(tone(hz=hz, seconds=0.3))))
        await hub.received(AnnounceProgress, count=6)
    played = read_wav(tmp_path / "speaker.wav")
    loud = played[abs(played) > 100]
    for number, hz in enumerate(pitches):
        part = loud[number * len(loud) // 3 : (number + 1) * len(loud) // 3]
        crossings = (part[:-1] < 0) != (part[1:] < 0)
        assert crossings.sum() / (0.3 * 2) == pytest.approx(hz, rel=0.1)


@pytest.mark.parametrize(
    ("clip", "sha256", "words"),
    [
        (CLIP, "0" * 64, "damaged"),
        (b"this is no sound", None, "cannot be played"),
        (wav_bytes(tone(hz=1.0, seconds=0)), None, "cannot be played"),
    ],
)
async def test_a_bad_clip_fails_in_words_and_the_next_one_plays(
    hub: FakeHub, start_agent: StartAgent, clip: bytes, sha256: str | None, words: str
) -> None:
    async with start_agent():
        await hub.online()
        await hub.send(hub.make_announcement(clip, sha256=sha256))
        await hub.send(hub.make_announcement(CLIP))
        await hub.until(lambda: DeliveryState.PLAYED in states(hub))
    failed = next(m for m in hub.all(AnnounceProgress) if m.state is DeliveryState.FAILED)
    assert words in (failed.reason or "")


async def test_a_clip_that_is_not_there_fails_in_words(hub: FakeHub, start_agent: StartAgent) -> None:
    announcement = hub.make_announcement(CLIP)
    hub.clips.clear()
    async with start_agent():
        await hub.online()
        await hub.send(announcement)
        failed = await hub.received(AnnounceProgress)
    assert failed.state is DeliveryState.FAILED
    assert "404" in (failed.reason or "")


async def test_a_hub_that_stumbles_is_asked_again_for_the_clip(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.clip_troubles.extend([503])
    async with start_agent():
        await hub.online()
        await hub.send(hub.make_announcement(CLIP))
        await hub.received(AnnounceProgress, count=2)
    assert states(hub) == [DeliveryState.FETCHED, DeliveryState.PLAYED]
    assert len(hub.clip_fetches) == 2


async def test_one_that_is_too_old_when_its_turn_comes_is_not_played(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent():
        await hub.online()
        soon = datetime.now(UTC) + timedelta(seconds=1.5)
        await hub.send(hub.make_announcement(wav_bytes(tone(hz=CLIP_HZ, seconds=2.0))))
        await hub.send(hub.make_announcement(CLIP).model_copy(update={"expires_at": soon}))
        await hub.received(AnnounceProgress, count=3)
    assert states(hub) == [DeliveryState.FETCHED, DeliveryState.PLAYED, DeliveryState.EXPIRED]
    assert loud_s(read_wav(tmp_path / "speaker.wav")) == pytest.approx(2.0, abs=0.05)


async def test_a_device_whose_clock_is_wrong_plays_what_the_hub_sends(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    async with start_agent():
        await hub.online()
        await hub.send(hub.make_announcement(CLIP).model_copy(update={"expires_at": yesterday}))
        await hub.received(AnnounceProgress, count=2)
    assert states(hub) == [DeliveryState.FETCHED, DeliveryState.PLAYED]


async def test_a_bug_in_one_announcement_does_not_silence_the_next(
    hub: FakeHub, start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_agent() as agent:
        await hub.online()

        async def break_down(samples: Samples) -> None:
            raise RuntimeError("a bug")

        with monkeypatch.context() as broken:
            broken.setattr(agent.playout, "play", break_down)
            await hub.send(hub.make_announcement(CLIP))
            await hub.until(lambda: DeliveryState.FAILED in states(hub))
        await hub.send(hub.make_announcement(CLIP))
        await hub.until(lambda: DeliveryState.PLAYED in states(hub))


@pytest.mark.parametrize("url", ["https://elsewhere.example/clip.wav", "//elsewhere.example/clip.wav"])
async def test_it_fetches_from_nowhere_but_the_hub(hub: FakeHub, start_agent: StartAgent, url: str) -> None:
    async with start_agent():
        await hub.online()
        await hub.send(hub.make_announcement(CLIP).model_copy(update={"clip_url": url}))
        failed = await hub.received(AnnounceProgress)
    assert failed.reason == "The announcement's sound is not on the hub."


async def test_it_ducks_a_running_call_and_the_call_goes_on(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent() as agent:
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        await leg.heard(seconds=0.8)
        await hub.send(hub.make_announcement(wav_bytes(tone(hz=1900.0, seconds=0.6))))
        await hub.received(AnnounceProgress, count=2)
        assert agent.state.state is State.IN_CALL
        await hub.send(CallEnd(call_id=call_id))
        await leg.closed()
    played = read_wav(tmp_path / "speaker.wav")
    windows = [played[at : at + 4800] for at in range(0, len(played) - 4800, 2400)]
    over_call = max(windows, key=lambda samples: tone_share(samples, 1900.0))
    assert level_db(over_call) > -20
    assert tone_share(over_call, 1900.0) > 0.8


async def test_a_full_queue_is_told(hub: FakeHub, start_agent: StartAgent, eventually: Eventually) -> None:
    long = wav_bytes(tone(hz=CLIP_HZ, seconds=30.0))
    async with start_agent() as agent:
        await hub.online()
        await hub.send(hub.make_announcement(long))
        await eventually(lambda: agent.state.state is State.ANNOUNCING)
        for _ in range(MAX_WAITING + 1):
            await hub.send(hub.make_announcement(CLIP))
        await hub.until(lambda: DeliveryState.FAILED in states(hub))
        assert states(hub).count(DeliveryState.FAILED) == 1


async def test_a_call_comes_through_while_an_announcement_plays(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.send(hub.make_announcement(wav_bytes(tone(hz=CLIP_HZ, seconds=1.5))))
        await hub.received(AnnounceProgress)
        call_id = await hub.call()
        await hub.leg()
        await hub.send(CallEnd(call_id=call_id))
        await hub.received(AnnounceProgress, count=2)
        await asyncio.sleep(0)
        assert agent.state.state is State.IDLE
    assert states(hub) == [DeliveryState.FETCHED, DeliveryState.PLAYED]
