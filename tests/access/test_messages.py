"""Every message of both sockets: by role as it was written down, and about somebody else's as about what nobody has."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from devices.gate import Who
from devices.models import Device
from households.models import Membership
from protocol.base import Message
from protocol.messages.unions import UNIONS, members
from tests.access.expected import name_of, written
from tests.access.ids import ids_of
from tests.access.messages import id_fields, what_is_said
from tests.access.rows import rows_fill
from tests.access.things import PEOPLE, Somebody, become
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, browser, device_hello

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

KINDS = ("device", "call", "callparticipant", "announcementdelivery")
ROLES = ("guest", "child", "adult", "owner")
PAUSE_S = 0.05  # only so many messages a second are let through


def said_by(socket: str) -> list[type[Message]]:
    models = members(UNIONS[socket])
    return [model for model in models if model.model_fields["type"].default not in ("hello", "ping", "pong")]


@pytest.mark.parametrize("somebody", PEOPLE, ids=name_of)
async def test_a_role_may_say_what_was_written_down_and_nothing_else(cast: Cast, somebody: Somebody) -> None:
    await sync_to_async(become)(cast.ben, somebody, cast.kitchen)
    page, allowed = await browser(cast.ben), written()
    for model in said_by("browser"):
        who = allowed[f"browser {model.model_fields['type'].default}"]
        may = name_of(somebody) in who or bool(who & {Who.EVERYBODY, Who.OWN})
        error = await what_is_said(page, model, **dict.fromkeys(id_fields(model), cast.kitchen.public_id))
        is_refused = error is not None and error[0] == "not_allowed"
        assert is_refused is not may, (model.__name__, error)
        await asyncio.sleep(PAUSE_S)
    await page.close()


async def foreign_and_absent(socket: Socket, kind: str, cast: Cast) -> None:
    """Each message with each id of Anna's household, and with ids that nobody has. Raises AssertionError."""
    ids = (await sync_to_async(ids_of)(cast.anna.household)).uuids
    absent = (await sync_to_async(ids_of)(cast.anna.household)).absent().uuids
    tried = 0
    for model in said_by(kind):
        for name in id_fields(model):
            for one in KINDS:
                foreign = await what_is_said(socket, model, **{name: ids[one]})
                none = await what_is_said(socket, model, **{name: absent[one]})
                assert foreign is not None, f"{model.__name__}.{name} was taken"
                assert foreign == none, f"{model.__name__}.{name} of a {one}"
                tried += 1
                await asyncio.sleep(2 * PAUSE_S)
    assert tried > len(KINDS)


@pytest.fixture
def filled(cast: Cast) -> Cast:
    rows_fill(cast.anna, cast.kitchen)
    return cast


@pytest.mark.parametrize("role", ROLES)
async def test_what_is_another_homes_is_to_a_page_as_what_nobody_has(filled: Cast, role: str) -> None:
    await Membership.objects.filter(pk=filled.carla.pk).aupdate(role=role)
    page = await browser(filled.carla)
    await foreign_and_absent(page, "browser", filled)
    await page.close()


async def test_what_is_another_homes_is_to_a_device_as_what_nobody_has(filled: Cast) -> None:
    cellar: Device = filled.cellar
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cellar, filled.keys[cellar.pk])
    await socket.hear("hello_ack")
    await foreign_and_absent(socket, "device", filled)
    await socket.close()
