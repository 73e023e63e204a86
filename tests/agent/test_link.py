"""The socket to the hub."""

import pytest

from protocol.errors import CloseCode
from protocol.messages.calls import CallDecline
from protocol.messages.socket import Ping, Pong
from tests.agent.conftest import Eventually, StartAgent
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration


async def test_a_foreign_hub_gets_no_signature(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
    hub.shown_hub_id = "f" * 64
    async with start_agent() as agent:
        await hub.until(lambda: hub.challenge_count >= 4)
        assert len(hub.hellos) == 1
        assert hub.refused_logins == 0
        assert agent.identity.is_claimed
        hub.shown_hub_id = None
        await hub.online(count=2)


async def test_it_comes_back_after_a_pulled_cable(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        for count in range(2, 6):
            await hub.online(count=count - 1)
            await hub.cut()
            await hub.online(count=count)


async def test_it_comes_back_after_the_hub_restarted(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.stop_listening()
        await hub.listen()
        await hub.online(count=2)
        await eventually(agent.online.is_set)


async def test_it_comes_back_when_the_hub_no_longer_answers(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
        await hub.received(Ping)
        hub.answers_pings = False
        await hub.online(count=2)


@pytest.mark.parametrize("code", [CloseCode.REPLACED, CloseCode.POLICY, 1001, 1011])
async def test_it_comes_back_after_every_kind_of_close(
    hub: FakeHub, start_agent: StartAgent, code: int
) -> None:
    async with start_agent():
        await hub.online()
        await hub.close_socket(code)
        await hub.online(count=2)


async def test_it_answers_a_ping(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
        await hub.send(Ping(id="p1"))
        assert (await hub.received(Pong)).reply_to == "p1"


@pytest.mark.parametrize(
    "text", ['{"type": "sing"}', "no JSON", "[]", '{"type": "call_end"}', '{"type": "error", "code": "x"}']
)
async def test_words_that_it_does_not_know_do_not_hurt(
    hub: FakeHub, start_agent: StartAgent, text: str, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.send_text(text)
        await hub.call(auto_answer=False)
        await eventually(lambda: agent.state.has_call)
        await agent.phone.hang_up()
        await hub.received(CallDecline)
        assert len(hub.hellos) == 1
