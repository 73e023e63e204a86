"""The small words of templates."""

from datetime import timedelta

import pytest

from common.clock import now
from common.templatetags.ui import ago, clock, hex_groups, icon, room_icon, user_code

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "0:00"), (0.4, "0:00"), (7, "0:07"), (91.6, "1:32"), (3725, "1:02:05")]
)
def test_a_length_is_written_as_people_read_it(seconds: float | None, words: str) -> None:
    assert clock(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),  # of a clock that is a little ahead
        (0, "just now"),
        (59, "just now"),
        (61, "1 minute ago"),
        (3700, "1 hour ago"),
        (180_000, "2 days ago"),
    ],
)
def test_a_time_is_said_in_one_unit_and_never_as_none_of_it(seconds: float, words: str) -> None:
    assert ago(now() - timedelta(seconds=seconds)).replace("\xa0", " ") == words


def test_a_fingerprint_is_grouped_for_comparing() -> None:
    assert hex_groups("ab:cd12ef") == "ABCD 12EF"


def test_a_code_gets_its_dash_and_anything_else_stays() -> None:
    assert user_code("BCDFGHJKLM") == "BCDFG-HJKLM"
    assert user_code("BCD") == "BCD"


def test_a_room_gets_a_symbol_that_fits() -> None:
    assert room_icon("Grandma's KITCHEN") == "cooking-pot"
    assert room_icon("Bathroom") == "bath"
    assert room_icon("Observatory") == "house"


def test_an_icon_says_nothing_and_cannot_break_out() -> None:
    assert 'aria-hidden="true"' in icon("x")
    assert "<script" not in icon('"><script>')
