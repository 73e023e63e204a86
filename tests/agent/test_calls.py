"""Calls with a real peer connection and real sound."""

from pathlib import Path

import pytest

from protocol.messages import (
    CallAccept,
    CallRinging,
)
from tests.agent.conftest import MICROPHONE_HZ, StartAgent
from tests.agent.sounds import read_wav
from tests.fakes.hub import FakeHub
from tests.fakes.leg import level_db, tone_share

pytestmark = pytest.mark.integration


async def test_it_answers_by_itself_and_both_directions_are_heard_at_once(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        assert (await hub.received(CallRinging)).call_id == call_id
        assert (await hub.received(CallAccept)).call_id == call_id
        leg = await hub.leg()
        uplink = await leg.heard(seconds=1.0, skip_s=0.3)
    downlink = read_wav(tmp_path / "speaker.wav")[-36_000:-12_000]
    assert tone_share(uplink, MICROPHONE_HZ) > 0.95
    assert level_db(uplink) > -25
    assert tone_share(downlink, hub.tone_hz) > 0.9
    assert level_db(downlink) > -25
