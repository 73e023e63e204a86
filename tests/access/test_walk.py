"""Every address with every method as people and devices of elsewhere: nothing is read, nothing is written."""

from datetime import timedelta

import pytest
from django_scopes import scopes_disabled

from common.clock import now
from config.access_table import ADDRESSES
from devices.models import Loan
from tests.access.ids import ids_of
from tests.access.rows import rows_fill
from tests.access.strangers import GUEST, INVITED, LENT_TO, STRANGERS, secrets_for, signed_in, stranger
from tests.access.walk import Person, fingerprint, kind_of, paths, taken_back, takes_id, walk_foreign
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

FOUND_BY_OWNER = {
    "announce/<uuid:public_id>/",
    "announce/clips/<uuid:public_id>/",
    "calls/<uuid:public_id>/",
    "calls/<uuid:public_id>/connection/",
    "calls/<uuid:public_id>/player/",
    "calls/<uuid:public_id>/transcript/",
    "devices/<uuid:public_id>/",
    "devices/<uuid:public_id>/call/",
    "devices/<uuid:public_id>/joining/",
    "devices/<uuid:public_id>/lend/",
    "people/<uuid:public_id>/",
    "rooms/<uuid:public_id>/",
}


@pytest.fixture
def filled(cast: Cast) -> Cast:
    rows_fill(cast.anna, cast.kitchen)
    rows_fill(cast.carla, cast.cellar)
    return cast


@pytest.mark.timeout(600)  # some hundred pages; a machine that does other things takes minutes
@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_reads_nothing_writes_nothing_and_learns_nothing(filled: Cast, who: str) -> None:
    person = stranger(filled, who)
    found = walk_foreign(
        person,
        of=filled.anna.household,
        secrets=secrets_for(who),
        every_kind=False,
        compares=who in ("foreign owner", GUEST),
    )
    assert found.problems == []
    assert found.deeds == person.deeds
    assert found.requests > len(ADDRESSES)


def test_the_ids_of_the_walk_are_those_with_which_the_owner_finds_something(filled: Cast) -> None:
    """Else the walk of the strangers would prove nothing."""
    ids, owner = ids_of(filled.anna.household), Person(signed_in(filled.anna.user))
    opened = set()
    for route in (route for route, methods in ADDRESSES.items() if takes_id(route) and "GET" in methods):
        (path,) = paths(route, ids, [kind_of(route)])
        with taken_back():
            if owner.ask("GET", path, {}).status_code == 200:
                opened.add(route)
    assert opened >= FOUND_BY_OWNER


@pytest.mark.parametrize("who", [INVITED, LENT_TO])
def test_the_link_that_somebody_holds_is_a_good_one(filled: Cast, who: str) -> None:
    """Else nothing would be proven by whoever walks with it."""
    with taken_back():
        answer = stranger(filled, who).ask("POST", "/join/", {})
        assert (answer.status_code, b"Lake House" in answer.content) == (200, True)


def test_what_is_written_shows_in_the_fingerprint(filled: Cast) -> None:
    before = fingerprint(filled.anna.household)
    with scopes_disabled():
        Loan.objects.filter(household=filled.anna.household).update(ends_at=now() + timedelta(days=9))
    assert fingerprint(filled.anna.household) != before
