"""The link with which a device is given: to whom it opens, how often, and until when."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django_scopes import scopes_disabled

from common.clock import now
from common.errors import Conflict, NotAllowed, NotFound
from devices.foreign import foreign_device_create
from devices.life.transfers import (
    transfer_accept,
    transfer_cancel,
    transfer_code,
    transfer_create,
    transfer_find,
)
from devices.models import AccessRule, Transfer
from devices.services import device_unclaim
from households.models import Household, Membership
from households.roles import Permission, Role
from tests.devices.transfers import accept, give, kitchen, sentences
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    cache.clear()
    with scopes_disabled():
        yield


def test_the_link_of_somebody_who_left_since_opens_nothing(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    cast.ben.refresh_from_db()
    token = transfer_create(membership=cast.ben, device=cast.kitchen)[1]
    found = transfer_find(token=token)
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.CHILD)
    for is_gone in (False, True):
        if is_gone:
            Membership.objects.filter(pk=cast.ben.pk).delete()
        with pytest.raises(Conflict, match="taken back"):
            transfer_find(token=token)
        with pytest.raises(Conflict, match="taken back"):
            transfer_accept(transfer=found, membership=cast.carla, name="x", room=None, is_auto_answer=True)
    assert kitchen(cast).revoked_at is None


def test_only_an_owner_gives_away_what_has_rules(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    cast.ben.refresh_from_db()
    token = transfer_create(membership=cast.ben, device=cast.kitchen)[1]
    home = cast.anna.household
    for place in ({"room": cast.kitchen.room}, {"device": cast.kitchen}):
        rule = AccessRule.objects.create(household=home, right=Permission.DROP_IN.value, **place)
        with pytest.raises(NotAllowed, match="rules"):
            transfer_create(membership=cast.ben, device=cast.kitchen)
        with pytest.raises(Conflict, match="taken back"):
            transfer_find(token=token)
        rule.delete()
    AccessRule.objects.create(household=home, right=Permission.DROP_IN.value, device=cast.kitchen)
    accept(cast, give(cast))


def test_a_link_works_once_for_a_day_until_it_is_taken_back(cast: Cast) -> None:
    first = give(cast)
    second = give(cast)
    with pytest.raises(Conflict, match="taken back"):
        transfer_find(token=first)
    transfer_cancel(membership=cast.anna, device=cast.kitchen)
    with pytest.raises(Conflict, match="taken back"):
        transfer_find(token=second)
    with pytest.raises(Conflict, match="no open link"):
        transfer_cancel(membership=cast.anna, device=cast.kitchen)
    assert sentences(cast.anna)[0] == "Anna took back the link to give Kitchen speaker to another home."
    third = give(cast)
    Transfer.objects.filter(cancelled_at=None).update(expires_at=now() - timedelta(seconds=1))
    with pytest.raises(Conflict, match="too old"):
        transfer_find(token=third)
    with pytest.raises(NotFound):
        transfer_find(token="x" * 22)
    assert kitchen(cast).revoked_at is None


def test_what_closes_between_opening_and_accepting_closes_the_door(cast: Cast) -> None:
    found = transfer_find(token=give(cast))
    transfer_cancel(membership=cast.anna, device=cast.kitchen)
    with pytest.raises(Conflict, match="taken back"):
        transfer_accept(transfer=found, membership=cast.carla, name="x", room=None, is_auto_answer=True)
    assert kitchen(cast).revoked_at is None


def test_a_device_that_is_removed_cannot_be_taken_over_any_more(cast: Cast) -> None:
    token = give(cast)
    device_unclaim(device=cast.kitchen, by=cast.anna.user)
    with pytest.raises(Conflict):
        accept(cast, token)
    assert transfer_code(device=cast.kitchen) is None


def test_a_home_cannot_take_over_its_own_device(cast: Cast) -> None:
    with pytest.raises(Conflict, match="in this home already"):
        accept(cast, give(cast), cast.anna)


@pytest.mark.parametrize("role", [Role.CHILD, Role.GUEST])
def test_only_who_manages_devices_gives_and_takes(cast: Cast, role: Role) -> None:
    token = give(cast)
    for member in (cast.ben, cast.carla):
        Membership.objects.filter(pk=member.pk).update(role=role)
        member.refresh_from_db()
    with pytest.raises(NotAllowed):
        transfer_create(membership=cast.ben, device=cast.kitchen)
    with pytest.raises(NotAllowed):
        transfer_cancel(membership=cast.ben, device=cast.kitchen)
    with pytest.raises(NotAllowed):
        accept(cast, token)


def test_a_device_of_another_maker_is_not_given_by_a_link(cast: Cast) -> None:
    foreign = foreign_device_create(membership=cast.anna, name="Door", room=None)
    with pytest.raises(Conflict, match="another maker"):
        transfer_create(membership=cast.anna, device=foreign)


@pytest.mark.django_db(transaction=True)
def test_of_ten_people_who_accept_at_once_one_wins_and_the_others_read_why(cast: Cast) -> None:
    home = Household.objects.create(name="Tower")
    dora = Membership.objects.create(user=cast.ben.user, household=home, role=Role.OWNER)
    found = transfer_find(token=give(cast))

    def race(member: Membership) -> str:
        try:
            with scopes_disabled():
                transfer_accept(
                    transfer=found, membership=member, name="Mine", room=None, is_auto_answer=True
                )
        except Conflict as refusal:
            return refusal.message
        finally:
            connection.close()
        return "won"

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(race, [cast.carla, dora] * 5))
    assert results.count("won") == 1
    assert {words for words in results if words != "won"} == {
        "Somebody else took this device over a moment ago. Each link works once."
    }
