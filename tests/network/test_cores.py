"""What a stall leaves after the time that the host kept from the core."""

import pytest

from tests.network.cores import own_s

pytestmark = pytest.mark.unit

STOLEN = [(10.0, 5.0), (11.0, 5.3), (12.0, 5.31), (12.1, 5.5)]


@pytest.mark.parametrize(
    ("stall", "own"),
    [
        ((10.5, 10.9), 0.4),
        ((10.6, 11.0), 0.1),
        ((10.6, 10.99), 0.09),  # the kernel counts a moment later
        ((11.9, 12.2), 0.1),
        ((8.0, 9.0), 1.0),
    ],
    ids=["nothing stolen", "most of it", "counted afterwards", "in two parts", "before the first look"],
)
def test_what_was_stolen_is_no_part_of_a_stall(stall: tuple[float, float], own: float) -> None:
    assert own_s(stall, STOLEN) == pytest.approx(own)


def test_nothing_is_known_to_be_stolen_where_nobody_looked() -> None:
    assert own_s((1.0, 1.5), []) == 0.5
