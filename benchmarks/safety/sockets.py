"""S2: messages with ids of another household, and pushes to fifty households, over real sockets to a web process."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.homes import homes_make
from benchmarks.safety.service import Service, service_open

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from devices.models import Device
    from households.models import Membership, User

FIGURES: Final = ("S2.messages", "S2.events", "S2.arrived")
HOUSEHOLDS: Final = 50
EVENTS: Final = 10_000
EVENTS_QUICK: Final = 500
WAIT_S: Final = 60.0
QUIET_S: Final = 5.0
# For one page at a time: of more than 100 the channel layer lets the oldest go, and the page reads the rows again.
WAITING_MOST: Final = 40


def measure(options: Options) -> list[Figure]:
    events = EVENTS_QUICK if options.is_quick else EVENTS
    with service_open(processes=1) as service:
        people = homes_make(HOUSEHOLDS, devices_each=1)
        tried, accepted = _messages(service)
        elsewhere, arrived = asyncio.run(_events(service, people, events))
    words = f"{events} pushes, {HOUSEHOLDS} households"
    told = f"{tried} messages of browsers and devices; {'; '.join(accepted[:3])}"
    return [
        figure(
            "S2.messages", "messages with foreign ids accepted", len(accepted), "", bar="<= 0", reference=told
        ),
        figure("S2.events", "pushes delivered elsewhere", elsewhere, "", bar="<= 0", reference=words),
        figure("S2.arrived", "pushes delivered at home", arrived, "", bar=f"= {events}"),
    ]


class Line:
    """One end of a real socket, as tests.signaling.sockets.Socket is of one without a network."""

    def __init__(self, connection: "ClientConnection") -> None:
        self._connection = connection

    async def say(self, type_: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"type": type_, **fields}))

    async def hear(self, *types: str) -> dict[str, Any]:
        while True:
            message = json.loads(await asyncio.wait_for(self._connection.recv(), WAIT_S))
            if not types or message["type"] in types:
                return dict(message)

    async def presences(self, count: int) -> list[str]:
        """The devices of which this page heard: of `count` and of whatever else comes until all is quiet."""
        heard: list[str] = []
        while True:
            # An answer to a ping may overtake a push, so the end is a silence. A short one, once all are there.
            wait_s = QUIET_S if len(heard) < count else 0.02
            try:
                message = json.loads(await asyncio.wait_for(self._connection.recv(), wait_s))
            except TimeoutError:
                return heard
            if message["type"] == "presence":
                heard.append(message["device_id"])


@asynccontextmanager
async def _line(service: Service, path: str, user: "User | None" = None) -> AsyncIterator[Line]:
    from asgiref.sync import sync_to_async
    from websockets.asyncio.client import connect

    url = service.urls[0]
    cookies = "" if user is None else await sync_to_async(_cookies)(service, user)
    headers = {"Cookie": cookies, "Origin": url} if cookies else {}
    address = url.replace("http", "ws", 1) + path
    async with connect(address, additional_headers=headers, proxy=None, ping_interval=None) as connection:
        line = Line(connection)
        if user is not None:
            await line.say("hello")
            await line.hear("hello_ack")
        yield line


def _cookies(service: Service, user: "User") -> str:
    with service.person(user) as browser:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)


# --- messages --------------------------------------------------------------------------------


def _messages(service: Service) -> tuple[int, list[str]]:
    """How many were sent, and those that were taken, or answered otherwise than for an id that nobody has."""
    from django_scopes import scopes_disabled

    from tests.access.ids import ids_of
    from tests.access.rows import rows_fill
    from tests.plugin_cast import _cast_make

    with scopes_disabled():
        cast = _cast_make()
    rows_fill(cast.anna, cast.kitchen)
    ids, absent = ids_of(cast.anna.household).uuids, ids_of(cast.anna.household).absent().uuids
    pairs = [(ids[kind], absent[kind]) for kind in ids]
    key = cast.keys[cast.cellar.pk]
    return asyncio.run(_tried(service, cast.carla, cast.cellar, key, pairs))


async def _tried(
    service: Service, member: "Membership", device: "Device", key: Any, pairs: list[tuple[UUID, UUID]]
) -> tuple[int, list[str]]:
    from protocol.messages.unions import UNIONS, members
    from tests.access.messages import id_fields, what_is_said
    from tests.signaling.sockets import device_hello

    tried, accepted = 0, []
    for socket, path, user in (("browser", "/ws/hub/", member.user), ("device", "/ws/device/", None)):
        async with _line(service, path, user) as line:
            if user is None:
                await device_hello(line, device, key)  # type: ignore[arg-type]  # says and hears as a Socket
                await line.hear("hello_ack")
            fields = [(model, name) for model in members(UNIONS[socket]) for name in id_fields(model)]
            for (model, name), (mine, none) in itertools.product(fields, pairs):
                answers = [await what_is_said(line, model, **{name: one}) for one in (mine, none)]
                tried += 2
                await asyncio.sleep(0.12)  # fifty messages a second are let through
                if answers[0] is None or answers[0] != answers[1]:
                    accepted.append(f"{socket} {model.__name__}.{name}: {answers}")
    return tried, accepted


# --- events ----------------------------------------------------------------------------------


async def _events(service: Service, people: "list[Membership]", count: int) -> tuple[int, int]:
    """How many pushes came to a page of another household, and how many to their own."""
    from asgiref.sync import sync_to_async

    from common.push import apush, group_household
    from protocol.messages.household import Presence

    devices = await sync_to_async(_device_ids)()
    elsewhere = arrived = 0
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(_line(service, "/ws/hub/", one.user)) for one in people]
        for line in lines:  # how things stood when the page came
            await line.say("ping", id="first")
            while (await line.hear("pong")).get("reply_to") != "first":
                pass
        at_once = WAITING_MOST * len(people)
        for first in range(0, count, at_once):
            for number in range(first, min(first + at_once, count)):
                household = people[number % len(people)].household
                news = Presence(
                    device_id=devices[household.pk], is_online=bool(number % 2), last_seen_at=None
                )
                await apush(group_household(household.public_id), news)
            sent = min(at_once, count - first) // len(people)
            for line, member in zip(lines, people, strict=True):
                heard = await line.presences(sent)
                own = heard.count(str(devices[member.household.pk]))
                arrived, elsewhere = arrived + own, elsewhere + len(heard) - own
    return elsewhere, arrived


def _device_ids() -> dict[int, UUID]:
    from django_scopes import scopes_disabled

    from devices.models import Device

    with scopes_disabled():
        return dict(Device.objects.values_list("household_id", "public_id"))
