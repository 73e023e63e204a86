"""A real agent against a fake hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.app import Agent
from agent.backends.choice import SoundBackend
from agent.config import AgentConfig, Timings
from agent.espeak import speak
from agent.introduction import Voice
from agent.renewal import RenewalLimits
from tests.agent.sounds import write_wav
from tests.fakes.hub import FakeHub

QUICK = Timings(
    backoff_base_s=0.02,
    backoff_max_s=0.1,
    refused_backoff_s=0.1,
    replaced_s=0.1,
    ping_interval_s=0.3,
    pong_timeout_s=0.3,
    request_timeout_s=5.0,
    ring_s=1.0,
    slow_down_s=0.2,
    poll_least_s=0.01,
    certificate_retry_s=0.1,
    key_look_s=0.02,
)
QUICK_TO_NOTICE = replace(QUICK, renewal=RenewalLimits(silence_s=1.0), stats_interval_s=0.5)
MICROPHONE_HZ = 1000.0

StartAgent = Callable[..., AbstractAsyncContextManager[Agent]]


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with FakeHub() as fake:
        yield fake


@pytest.fixture
def start_agent(hub: FakeHub, tmp_path: Path) -> StartAgent:
    """`async with start_agent() as agent`; again with the same directory: a restart."""
    microphone = tmp_path / "microphone.wav"
    write_wav(microphone, hz=MICROPHONE_HZ, seconds=2.0)

    @contextlib.asynccontextmanager
    async def start(
        *,
        timings: Timings = QUICK,
        microphone_name: str | None = None,
        prints_json: bool = False,
        backend: SoundBackend | None = None,
        says_code: bool = False,
        voice: Voice = speak,
    ) -> AsyncIterator[Agent]:
        agent = Agent(
            AgentConfig(
                hub_url=hub.url,
                data_dir=tmp_path / "data",
                model="Test speaker",
                serial="T-1",
                microphone=microphone_name or f"file:{microphone}?loop",
                speaker=f"file:{tmp_path / 'speaker.wav'}",
                timings=timings,
                prints_json=prints_json,
                says_code=says_code,
            ),
            backend=backend,
            voice=voice,
        )
        running = asyncio.create_task(agent.run())
        try:
            yield agent
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return start


Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Waits for something that no event announces."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.01)

    return wait
