"""A household's keys open what they closed, there and nowhere else."""

import pytest
from django.test import override_settings
from django_scopes import scope

from common.errors import Unavailable
from households.keys import key_unwrap, key_wrap
from households.models import HouseholdKey
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

KEY = bytes(range(32))


def test_a_wrapped_key_comes_back(cast: Cast) -> None:
    house = cast.anna.household
    wrapped = key_wrap(household=house, key=KEY, purpose="a.ogg")
    assert KEY not in wrapped
    assert key_unwrap(household=house, wrapped=wrapped, purpose="a.ogg") == KEY


def test_two_wrappings_of_one_key_differ(cast: Cast) -> None:
    house = cast.anna.household
    first, second = (key_wrap(household=house, key=KEY, purpose="a.ogg") for _ in range(2))
    assert first != second


def test_a_key_copied_to_another_row_opens_nothing(cast: Cast) -> None:
    house = cast.anna.household
    wrapped = key_wrap(household=house, key=KEY, purpose="a.ogg")
    with pytest.raises(Unavailable):
        key_unwrap(household=house, wrapped=wrapped, purpose="b.ogg")


def test_another_household_cannot_open_it(cast: Cast) -> None:
    wrapped = key_wrap(household=cast.anna.household, key=KEY, purpose="a.ogg")
    with pytest.raises(Unavailable):
        key_unwrap(household=cast.carla.household, wrapped=wrapped, purpose="a.ogg")


def test_without_the_hubs_secret_nothing_opens(cast: Cast) -> None:
    wrapped = key_wrap(household=cast.anna.household, key=KEY, purpose="a.ogg")
    with override_settings(DATA_KEY="another"), pytest.raises(Unavailable, match="DATA_KEY"):
        key_unwrap(household=cast.anna.household, wrapped=wrapped, purpose="a.ogg")


def test_destroying_the_households_key_destroys_what_it_closed(cast: Cast) -> None:
    house = cast.anna.household
    wrapped = key_wrap(household=house, key=KEY, purpose="a.ogg")
    with scope(household=house):
        assert HouseholdKey.objects.filter(household=house).delete()[0] == 1
    with pytest.raises(Unavailable):
        key_unwrap(household=house, wrapped=wrapped, purpose="a.ogg")


def test_a_key_that_was_cut_short_is_refused_in_words(cast: Cast) -> None:
    with pytest.raises(Unavailable):
        key_unwrap(household=cast.anna.household, wrapped=b"short", purpose="a.ogg")
