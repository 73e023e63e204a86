"""After Redis was away every socket is told how things stand, although nobody says that pushes were lost."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant
from config.valkey import ValkeyServer
from devices.models import DevicePresence
from signaling import pulse as pulse_module
from signaling.pulse import Pulse, pulse_get
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


class Listener:
    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def catch_up(self) -> None:
        self.told.set()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path / "data", socket_dir=tmp_path, durable=False)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("is_killed", [False, True])
async def test_it_feels_that_redis_is_back(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    layer = RedisPubSubChannelLayer(hosts=[{"address": valkey.url} | settings.REDIS_LIMITS])
    monkeypatch.setattr(pulse_module, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(pulse_module, "EVERY_S", 0.1)
    monkeypatch.setattr(pulse_module, "AWAY_AFTER_S", 1.0)
    pulse, listener = Pulse(), Listener()
    pulse.join(listener)
    assert valkey.process
    await asyncio.sleep(1.5)
    assert not listener.told.is_set()
    os.kill(valkey.process.pid, signal.SIGKILL if is_killed else signal.SIGSTOP)
    await asyncio.sleep(2.5)
    assert not listener.told.is_set()
    if is_killed:
        valkey.process.wait()
        valkey.start()
    else:
        os.kill(valkey.process.pid, signal.SIGCONT)
    await asyncio.wait_for(listener.told.wait(), 5)
    await pulse.leave(listener)
    await layer.flush()


async def test_a_call_that_began_or_ended_meanwhile_is_told(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        with scopes_disabled():
            call = await Call.objects.acreate(
                household=cast.anna.household, device=cast.kitchen, started_by=cast.anna.user
            )
            await CallParticipant.objects.acreate(
                household=call.household,
                call=call,
                role="callee",
                device=cast.kitchen,
                display_name="Kitchen",
            )
        await pulse_get().catch_up()
        assert (await device.hear("call_invite"))["call_id"] == str(call.public_id)
        assert (await page.hear("call_state"))["call_id"] == str(call.public_id)
        with scopes_disabled():
            await Call.objects.aupdate(state="connected")
        await pulse_get().catch_up()
        assert (await device.hear("call_state"))["state"] == "connected"
        with scopes_disabled():
            await Call.objects.aupdate(state="ended", outcome="answered")
        await pulse_get().catch_up()
        assert (await device.hear("call_state"))["state"] == "ended"
        await page.close()
        await device.close()


async def test_a_page_is_told_who_is_online_in_its_own_home(cast: Cast) -> None:
    page = await browser(cast.anna)
    assert (await page.hear("presence"))["is_online"] is False
    with scopes_disabled():
        await DevicePresence.objects.aupdate(is_online=True)
    await pulse_get().catch_up()
    presence = await page.hear("presence")
    assert (presence["device_id"], presence["is_online"]) == (str(cast.kitchen.public_id), True)
    await page.say("ping")
    assert (await page.hear("presence", "pong"))["type"] == "pong"
    await page.close()
