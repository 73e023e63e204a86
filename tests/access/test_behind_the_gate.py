"""What a row of the table refuses, its view refuses, too: a row that is too generous opens nothing."""

import pytest
from django.urls import reverse

from config.access_table import ADDRESSES
from devices.gate import Who
from tests.access.expected import name_of, written
from tests.access.things import PEOPLE, ROWS, ask, become, browser_of, things_make
from tests.access.walk import taken_back
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

REFUSED = [(route, method) for route, method, row in ROWS if not isinstance(row, Who)]


@pytest.mark.parametrize(("route", "method"), REFUSED, ids=[f"{m} /{r}" for r, m in REFUSED])
def test_a_view_refuses_by_itself_whom_its_row_refuses(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, route: str, method: str
) -> None:
    path, ben, who = things_make(cast).path(route), browser_of(cast.ben), written()[f"{method} /{route}"]
    ben.post(reverse("account_reauthenticate"), {"password": PASSWORD})  # some ask for it first
    monkeypatch.setitem(ADDRESSES, route, dict.fromkeys(ADDRESSES[route], Who.MEMBER))
    for somebody in PEOPLE:
        if name_of(somebody) not in who:
            with taken_back():
                become(cast.ben, somebody, cast.kitchen)
                assert ask(ben, method, path).status_code in (403, 404), somebody
