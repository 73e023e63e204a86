"""Somebody stands between the device and its hub, and changes what they say of their certificates."""

import re
from collections.abc import Callable

import pytest

from agent.answers import CHANGED
from protocol.messages.calls import CallEnd
from protocol.messages.connection import AnswerRefused, WebrtcAnswer, WebrtcOffer
from tests.agent.conftest import Eventually, StartAgent
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration

OTHER = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)


def swapped(answer: WebrtcAnswer) -> WebrtcAnswer:
    return answer.model_copy(update={"sdp": re.sub(r"a=fingerprint:sha-256 [0-9A-F:]+", OTHER, answer.sdp)})


def added(answer: WebrtcAnswer) -> WebrtcAnswer:
    return answer.model_copy(
        update={"sdp": answer.sdp.replace("a=fingerprint", f"{OTHER}\r\na=fingerprint", 1)}
    )


def unsigned(answer: WebrtcAnswer) -> WebrtcAnswer:
    return answer.model_copy(update={"proof": None})


@pytest.mark.parametrize("change", [swapped, added, unsigned])
async def test_an_answer_that_was_changed_makes_no_connection_and_the_call_ends_with_the_reason(
    hub: FakeHub, start_agent: StartAgent, change: Callable[[WebrtcAnswer], WebrtcAnswer]
) -> None:
    hub.on_the_way = change
    async with start_agent() as agent:
        await hub.online()
        call_id = await hub.call()
        refused = await hub.received(AnswerRefused, count=3)
        assert refused.call_id == call_id
        end = await hub.received(CallEnd)
        assert (end.call_id, end.reason) == (call_id, CHANGED)
        assert not agent.phone.is_connected
    assert len(hub.all(WebrtcOffer)) == 3


async def test_an_answer_to_another_offer_is_not_taken(hub: FakeHub, start_agent: StartAgent) -> None:
    first: list[WebrtcAnswer] = []

    def again(answer: WebrtcAnswer) -> WebrtcAnswer:
        """The first answer, whatever is asked."""
        first.append(answer)
        return first[0].model_copy(update={"reply_to": answer.reply_to, "call_id": answer.call_id})

    hub.on_the_way = again
    async with start_agent():
        await hub.online()
        await hub.call()
        await hub.leg(1)
        await hub.close_socket(1001)
        await hub.online(count=2)
        await hub.send(CallEnd(call_id=(await hub.received(WebrtcOffer)).call_id or hub.device_id))
        await hub.call()
        await hub.received(AnswerRefused)


async def test_an_offer_that_was_changed_on_its_way_is_noticed_by_its_answer(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    hub.reads_offer = lambda offer: offer.model_copy(
        update={"sdp": re.sub(r"a=fingerprint:sha-256 [0-9A-F:]+", OTHER, offer.sdp)}
    )
    async with start_agent() as agent:
        await hub.online()
        await hub.call()
        await hub.received(AnswerRefused)
        assert not agent.phone.is_connected


async def test_when_nobody_changes_anything_any_more_the_call_goes_on(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    hub.on_the_way = swapped
    async with start_agent() as agent:
        await hub.online()
        await hub.call()
        await hub.received(AnswerRefused)
        hub.on_the_way = lambda answer: answer
        await eventually(lambda: agent.phone.is_connected)
        assert hub.all(CallEnd) == []
