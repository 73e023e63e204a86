"""Who may do what, for every address and every message. One that is missing here fails.

What is right stands in expected.txt, not in the tables that are tested; see expected.py.
"""

import difflib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from config.access import routes
from config.access_table import ADDRESSES
from config.checks import access_table_check
from devices.gate import Who
from households.models import Membership
from households.roles import Role
from protocol.base import Message
from protocol.messages.calls import CallEnd
from protocol.messages.sound import MicStart
from protocol.messages.statistics import Stats
from protocol.messages.unions import UNIONS, members
from signaling.access_table import BROWSER, DEVICE
from tests.access.expected import FILE, HOW, name_of, now_said, written
from tests.access.things import PEOPLE, ROWS, Things, a_message, ask, become, browser_of, things_make
from tests.access.walk import taken_back
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
EVERY_MEMBER = {Who.EVERYBODY, Who.PERSON, Who.MEMBER}


@pytest.fixture
def things(cast: Cast) -> Iterator[Things]:
    yield things_make(cast)
    assert not connection.needs_rollback


def is_sent_to_sign_in(answer: Any) -> bool:
    return bool(answer.status_code == 302 and answer["Location"].startswith("/accounts/login/"))


def test_every_address_and_every_message_stands_in_its_table_and_nothing_else_does() -> None:
    assert routes() == set(ADDRESSES)
    for socket, table in (("browser", BROWSER), ("device", DEVICE)):
        assert set(members(UNIONS[socket])) == set(table)
    assert access_table_check() == []


def test_the_tables_say_what_was_written_down() -> None:
    was, is_now = FILE.read_text().splitlines(), now_said().splitlines()
    unlike = [*difflib.unified_diff(was, is_now, "expected.txt", "the tables", lineterm="", n=0)]
    assert not unlike, "\n".join([HOW, *unlike])


def test_a_row_that_lets_in_one_more_is_no_longer_what_was_written_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ADDRESSES["rooms/<uuid:public_id>/"], "GET", Who.MEMBER)
    mic_start: type[Message] = MicStart
    monkeypatch.setitem(BROWSER, mic_start, Who.OWN)
    unlike = set(now_said().splitlines()) - set(FILE.read_text().splitlines())
    assert {line.split("  ")[0] for line in unlike} == {"GET /rooms/<uuid:public_id>/", "browser mic_start"}


def test_a_new_address_and_a_new_message_without_a_row_fail_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(ADDRESSES, "claim/")
    stats: type[Message] = Stats
    monkeypatch.delitem(BROWSER, stats)
    assert [error.id for error in access_table_check()] == ["hearthline.E001", "hearthline.E002"]


def test_an_address_without_a_row_is_closed_to_everybody(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ADDRESSES, "claim/")
    for client in (Client(), browser_of(cast.anna)):
        assert client.get("/claim/").status_code == 404


@pytest.mark.parametrize(
    ("route", "method"), [row[:2] for row in ROWS], ids=[f"{m} /{r}" for r, m, _ in ROWS]
)
def test_each_role_may_do_what_was_written_down_and_no_more(
    cast: Cast, things: Things, route: str, method: str
) -> None:
    path, ben, who = things.path(route), browser_of(cast.ben), written()[f"{method} /{route}"]
    assert is_sent_to_sign_in(ask(Client(), method, path)) is (Who.EVERYBODY not in who)
    for somebody in PEOPLE:
        with taken_back():
            become(cast.ben, somebody, cast.kitchen)
            answer = ask(ben, method, path)
        may = name_of(somebody) in who or bool(who & EVERY_MEMBER)
        assert (answer.status_code == 403) is not may, (somebody, answer.status_code)
        assert answer.status_code < 500
        assert not is_sent_to_sign_in(answer)


def test_what_operators_read_is_absent_for_everybody_else(cast: Cast) -> None:
    routes_of_operators = [route for route, methods in ADDRESSES.items() if Who.OPERATOR in methods.values()]
    for route in routes_of_operators:
        for client in (Client(), browser_of(cast.ben), browser_of(cast.anna), browser_of(cast.carla)):
            assert client.get(f"/{route}").status_code == 404  # under the hub's public name


def test_where_devices_come_with_a_token_nobody_gets_in_with_a_session(cast: Cast, things: Things) -> None:
    of_devices = [
        (route, method)
        for route, ways in ADDRESSES.items()
        for method, who in ways.items()
        if who == Who.TOKEN
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


def test_no_other_method_does_anything_and_the_refusal_says_so(cast: Cast, things: Things) -> None:
    wrong = [
        (route, method)
        for route, methods in ADDRESSES.items()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
        if method not in methods and not route.startswith("accounts/")
    ]
    anna = browser_of(cast.anna)
    for route, method in wrong:
        answer = ask(anna, method, things.path(route))
        assert answer.status_code == 405, (route, method)
        assert set(ADDRESSES[route]) <= set(answer["Allow"].split(", "))
        assert b"does not do that" in answer.content, (route, method)


@pytest.mark.django_db(transaction=True)
async def test_a_message_without_a_row_is_refused_to_an_owner(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_end: type[Message] = CallEnd
    monkeypatch.delitem(BROWSER, call_end)
    socket = await browser(cast.anna)
    await socket.say("call_end", call_id=str(uuid4()), id="g")
    error = await socket.hear("error")
    assert (error["code"], error["reply_to"]) == ("not_allowed", "g")
    await socket.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [model for model, row in BROWSER.items() if not isinstance(row, Who)])
async def test_a_guest_is_refused_what_needs_a_permission(cast: Cast, model: type[Message]) -> None:
    await Membership.objects.filter(pk=cast.ben.pk).aupdate(role=Role.GUEST)
    socket = await browser(cast.ben)
    await socket.say(**a_message(model, cast.kitchen.public_id), id="g")
    error = await socket.hear("error")
    assert (error["code"], error["reply_to"]) == ("not_allowed", "g")
    await socket.close()


def test_whatever_a_button_does_its_address_can_be_opened(cast: Cast, things: Things) -> None:
    """Somebody who was signed out presses it, signs in, and is led back there."""
    pages = [row for row in ADDRESSES.items() if not row[0].startswith(("api/", "accounts/"))]
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.OWNER)
    ben = browser_of(cast.ben)  # whose token it is
    for route, methods in pages:
        if "POST" in methods:
            assert ask(ben, "GET", things.path(route)).status_code in (200, 302), route


def test_a_part_of_a_page_is_not_replaced_by_the_sign_in_page(cast: Cast) -> None:
    for method in ("GET", "POST"):
        answer = Client().generic(method, "/settings/tokens/", headers={"HX-Request": "true"})
        assert answer.status_code == 401
        assert b"You were signed out." in answer.content
        assert b"<html" not in answer.content
