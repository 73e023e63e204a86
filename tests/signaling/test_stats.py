"""What the ends measure, on the wire: kept for one's own call, and the bars come back to the page."""

import uuid

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scopes_disabled

from calls.models import LegStatistics
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, browser, device_socket
from tests.signaling.test_calls import invite, join

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

SAMPLE = {"packets_received": 50, "packets_lost": 0, "jitter_s": 0.002, "round_trip_time_s": 0.02}


def rows() -> list[tuple[str, str, int]]:
    with scopes_disabled():
        found = LegStatistics.objects.select_related("participant").order_by("participant__role")
        return [(row.participant.role, row.measurer, row.second_count) for row in found]


async def connect(page: Socket, device: Socket, call_id: str) -> None:
    await device.say("call_accept", call_id=call_id)
    await join(call_id)
    while (await page.hear("call_state"))["state"] != "connected":
        pass


async def test_both_ends_tell_and_the_page_sees_the_bars(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        await connect(page, device, call_id)
        await page.say("stats", call_id=call_id, samples=[SAMPLE])
        first = await page.hear("call_quality", "error")
        assert first["call_id"] == call_id
        assert first["ends"] == [{"role": "caller", "bars": 4, "quality": "very_good"}]
        await device.say(
            "stats", call_id=call_id, samples=[SAMPLE | {"packets_lost": 10}], codec="audio/opus"
        )
        second = await page.hear("call_quality", "error")
        assert {end["role"]: end["quality"] for end in second["ends"]} == {
            "caller": "very_good",
            "callee": "weak",
        }
        assert await sync_to_async(rows)() == [("callee", "end", 1), ("caller", "end", 1)]
        again = await browser(cast.ben)
        assert (await again.hear("call_quality"))["ends"] == second["ends"]
        for end in (page, device, again):
            await end.close()


async def test_nobody_tells_of_somebody_else_s_call(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        await connect(page, device, call_id)
        for member in (cast.carla, cast.ben):
            foreign = await browser(member)
            for one in (call_id, str(uuid.uuid4())):
                await foreign.say("stats", call_id=one, samples=[SAMPLE])
                assert (await foreign.hear("error"))["code"] == "not_found"
            await foreign.close()
        assert await sync_to_async(rows)() == []
        await page.close()
        await device.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"samples": []},
        {"samples": [SAMPLE] * 16},
        {"samples": [SAMPLE | {"packets_received": -1}]},
        {"samples": [SAMPLE | {"jitter_s": 1e9}]},
        {"samples": [SAMPLE | {"address": "192.0.2.1"}]},
        {"samples": [SAMPLE], "local_candidate_type": "192.0.2.1"},
        {"samples": [SAMPLE], "codec": "<b>"},
    ],
)
async def test_what_is_no_measurement_is_refused(cast: Cast, fields: dict[str, object]) -> None:
    page = await browser(cast.anna)
    await page.say("stats", call_id=str(uuid.uuid4()), **fields)
    assert (await page.hear("error"))["code"] == "bad_message"
    await page.close()
