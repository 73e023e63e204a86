"""The connection of a client alone: tone and microphone, as commands for the worker that answered its offer."""

import pytest
from asgiref.sync import sync_to_async

from households.models import Household
from protocol.worker import CaptureStart, CaptureStop, LegClose, LegOffer, ToneStart, ToneStop
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def test_tone_and_microphone_reach_the_worker_of_the_connection_in_the_language_of_the_home(
    cast: Cast,
) -> None:
    await sync_to_async(Household.objects.filter(pk=cast.anna.household_id).update)(language="de")
    async with FakeWorker() as worker:
        socket = await browser(cast.anna)
        await socket.say("webrtc_offer", sdp="v=0", id="o")
        offer = await worker.command()
        assert isinstance(offer, LegOffer)
        assert (offer.call_id, offer.recording_name) == (None, None)
        await socket.say("start", voice_id="demo-voice")
        await socket.say("stop")
        await socket.say("mic_start")
        await socket.say("mic_stop", id="m")
        tone, silence, start, stop = [await worker.command() for _ in range(4)]
        assert isinstance(tone, ToneStart)
        assert tone.frequency_hz > 0
        assert isinstance(silence, ToneStop)
        assert isinstance(start, CaptureStart)
        assert isinstance(stop, CaptureStop)
        assert (stop.language, stop.request_id) == ("de", "m")
        assert {tone.leg_id, silence.leg_id, start.leg_id, stop.leg_id} == {offer.leg_id}
        await socket.close()
        assert await worker.command() == LegClose(leg_id=offer.leg_id)


async def test_a_voice_that_is_not_there_has_no_tone(cast: Cast) -> None:
    async with FakeWorker() as worker:
        socket = await browser(cast.anna)
        await socket.say("webrtc_offer", sdp="v=0")
        await worker.command()
        await socket.say("start", voice_id="nobody", id="t")
        error = await socket.hear("error")
        assert (error["code"], error["reply_to"]) == ("not_found", "t")
        await socket.close()
