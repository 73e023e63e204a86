"""Who may do what, for every address and every message. One that is missing here fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django_scopes import scopes_disabled

from announcements.services import announcement_send
from calls.models import Call
from common.clock import now
from common.speech_models import CATALOGUE
from households.models import Membership
from households.roles import Permission, Role, allows
from households.services import api_token_create
from protocol.messages import CallState
from signaling.handlers import HANDLERS
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

P = Permission
OPEN = "everybody"
MEMBER = "every member"
TOKEN = "the device that the token was made for"
OPERATOR = "programs on this machine, or with the token"
OTHERS = ("accounts/",)  # django-allauth's own

# route -> method -> who
ADDRESSES: dict[str, dict[str, str]] = {
    "healthz": {"GET": OPEN},
    "readyz": {"GET": OPEN},
    "metrics": {"GET": OPERATOR},
    "api/v1/devices/authorizations": {"POST": OPEN},
    "api/v1/devices/token": {"POST": OPEN},
    "api/v1/clips/<uuid:delivery_id>": {"GET": OPEN},  # the signed link is the permission
    "api/v1/whip": {"POST": TOKEN},
    "api/v1/whip/<uuid:public_id>": {"PATCH": TOKEN, "DELETE": TOKEN},
    "api/v1/schema": {"GET": OPEN},
    "status/": {"GET": P.DEVICES_MANAGE},
    "status/models/<str:model_id>/download/": {"POST": P.HOUSEHOLD_MANAGE},
    "setup/": {"GET": OPEN},  # leads away once there is an owner
    "settings/": {"GET": MEMBER, "POST": P.HOUSEHOLD_MANAGE},
    "settings/tokens/": {"POST": MEMBER},
    "settings/tokens/<uuid:public_id>/revoke/": {"POST": MEMBER},
    "": {"GET": P.DEVICES_SEE},
    "claim/": {"GET": OPEN},  # shows nothing before the sign-in
    "devices/add/": {"GET": P.DEVICES_MANAGE},
    "devices/add/foreign/": {"GET": P.DEVICES_MANAGE, "POST": P.DEVICES_MANAGE},
    "devices/lookup/": {"GET": P.DEVICES_MANAGE, "POST": P.DEVICES_MANAGE},
    "devices/confirm/": {"GET": P.DEVICES_MANAGE, "POST": P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/": {"GET": P.DEVICES_SEE, "POST": P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/joining/": {"GET": P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/token/": {"POST": P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/remove/": {"POST": P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/call/": {"GET": P.CALL},
    "calls/": {"GET": P.CALLS_SEE},
    "calls/<uuid:public_id>/": {"GET": P.CALLS_SEE},
    "calls/<uuid:public_id>/player/": {"GET": P.CALLS_SEE},
    "calls/<uuid:public_id>/connection/": {"GET": P.CALLS_SEE},
    "calls/<uuid:public_id>/audio/": {"GET": P.RECORDINGS_HEAR},
    "calls/<uuid:public_id>/transcript/": {"GET": P.RECORDINGS_HEAR},
    "calls/<uuid:public_id>/transcript/retry/": {"POST": P.RECORDINGS_HEAR},
    "announce/": {"GET": P.ANNOUNCE},
    "announce/preview/": {"POST": P.ANNOUNCE},
    "announce/send/": {"GET": P.ANNOUNCE, "POST": P.ANNOUNCE},
    "announce/clips/<uuid:public_id>/": {"GET": P.ANNOUNCE},
    "announce/clips/<uuid:public_id>/audio/": {"GET": P.ANNOUNCE},
    "announce/<uuid:public_id>/": {"GET": P.ANNOUNCE},
}
ROWS = [
    (route, method, who)
    for route, methods in ADDRESSES.items()
    for method, who in methods.items()
    if who not in (OPERATOR, TOKEN)
]


@dataclass
class Things:
    """One of each, of Anna's household."""

    ids: dict[str, UUID]

    def path(self, route: str) -> str:
        path = "/" + route.replace("<str:model_id>", CATALOGUE[0].id)
        for prefix, public_id in self.ids.items():
            if route.startswith(prefix):
                path = path.replace("<uuid:public_id>", str(public_id))
        return path.replace("<uuid:delivery_id>", str(self.ids["calls/"]))


@pytest.fixture
def things(cast: Cast) -> Iterator[Things]:
    with scopes_disabled():
        call = Call.objects.create(
            household=cast.anna.household, device=cast.kitchen, state=CallState.ENDED, ended_at=now()
        )
        announcement = announcement_send(membership=cast.anna, text="Dinner.", devices=[cast.kitchen])
        token, _ = api_token_create(membership=cast.ben, name="robot")
    yield Things(
        {
            "settings/tokens/": token.public_id,
            "api/v1/whip/": token.public_id,
            "devices/": cast.kitchen.public_id,
            "calls/": call.public_id,
            "announce/clips/": announcement.clip.public_id,
            "announce/": announcement.public_id,
        }
    )
    assert not connection.needs_rollback


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route


def browser_of(member: Membership) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    return client


def ask(client: Client, method: str, path: str) -> Any:
    return client.generic(
        method,
        path,
        b"user_code=BCDFGHJKLM&text=Hello&name=x&household_name=x&time_zone=UTC&everywhere=on",
        content_type="application/x-www-form-urlencoded",
    )


def is_sent_to_sign_in(answer: Any) -> bool:
    return bool(answer.status_code == 302 and answer["Location"].startswith("/accounts/login/"))


def test_every_address_stands_in_the_table() -> None:
    own = {route for route in routes(get_resolver()) if not route.startswith(OTHERS)}
    assert own == set(ADDRESSES)


@pytest.mark.parametrize(("route", "method", "who"), ROWS, ids=[f"{m} /{r}" for r, m, _ in ROWS])
def test_each_role_may_do_what_the_table_says_and_no_more(
    cast: Cast, things: Things, route: str, method: str, who: str
) -> None:
    path, ben = things.path(route), browser_of(cast.ben)
    assert is_sent_to_sign_in(ask(Client(), method, path)) is (who != OPEN)
    for role in (Role.GUEST, Role.CHILD, Role.ADULT, Role.OWNER):
        Membership.objects.filter(pk=cast.ben.pk).update(role=role)
        answer = ask(ben, method, path)
        may = who in (OPEN, MEMBER) or allows(role, Permission(who))
        is_absent = role == Role.GUEST and answer.status_code == 404  # what is not lent to a guest
        assert (answer.status_code == 403 or (not may and is_absent)) is not may, (role, answer.status_code)
        assert answer.status_code < 500
        assert not is_sent_to_sign_in(answer)


def test_what_operators_read_is_absent_for_everybody_else(cast: Cast) -> None:
    routes_of_operators = [route for route, methods in ADDRESSES.items() if OPERATOR in methods.values()]
    for route in routes_of_operators:
        for client in (Client(), browser_of(cast.ben), browser_of(cast.anna), browser_of(cast.carla)):
            assert client.get(f"/{route}").status_code == 404  # under the hub's public name


def test_where_devices_come_with_a_token_nobody_gets_in_with_a_session(cast: Cast, things: Things) -> None:
    of_devices = [
        (route, method) for route, ways in ADDRESSES.items() for method, who in ways.items() if who == TOKEN
    ]
    assert of_devices
    for client in (Client(), browser_of(cast.ben), browser_of(cast.anna), browser_of(cast.carla)):
        for route, method in of_devices:
            assert ask(client, method, things.path(route)).status_code == 401


def test_what_belongs_to_another_home_looks_absent(cast: Cast, things: Things) -> None:
    foreign = [(route, method) for route, method, _ in ROWS if "<uuid:public_id>" in route]
    carla = browser_of(cast.carla)
    answers = {row: ask(carla, row[1], things.path(row[0])).status_code for row in foreign}
    assert answers == dict.fromkeys(foreign, 404)


def test_no_other_method_does_anything(cast: Cast, things: Things) -> None:
    wrong = [
        (route, method)
        for route, methods in ADDRESSES.items()
        for method in ("GET", "POST", "DELETE")
        if method not in methods
        and route not in ("healthz", "readyz", "setup/")  # these look at nothing sent
    ]
    anna = browser_of(cast.anna)
    answers = {row: ask(anna, row[1], things.path(row[0])).status_code for row in wrong}
    assert answers == dict.fromkeys(wrong, 405)


# message -> what it needs beside a hello; "own": a call, or a connection, of one's own
MESSAGES = {
    "call_invite": P.CALL,
    "speak": P.CALL,
    **dict.fromkeys(
        (
            "call_accept",
            "call_decline",
            "call_end",
            "webrtc_offer",
            "ice_candidate",
            "stats",
            "ice_servers_request",
        ),
        "own",
    ),
    **dict.fromkeys(("start", "stop", "mic_start", "mic_stop"), "own"),
}


def test_every_message_of_a_browser_stands_in_the_table() -> None:
    assert {model.model_fields["type"].default for model in HANDLERS} == set(MESSAGES)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("type_", [name for name, needed in MESSAGES.items() if needed != "own"])
async def test_a_guest_is_refused_what_needs_a_permission(cast: Cast, type_: str) -> None:
    await Membership.objects.filter(pk=cast.ben.pk).aupdate(role=Role.GUEST)
    fields = {"text": "Hello."} if type_ == "speak" else {"device_id": str(cast.kitchen.public_id)}
    async with FakeWorker() as worker:
        socket = await browser(cast.ben)
        await socket.say("webrtc_offer", sdp="v=0")
        await worker.command()
        await socket.say(type_, **fields, id="g")
        error = await socket.hear("error")
        code = "not_allowed" if type_ == "speak" else "not_found"  # nothing is lent to this guest
        assert (error["code"], error["reply_to"]) == (code, "g")
        await socket.close()
