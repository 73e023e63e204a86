import pytest

from tests.plugin_cast import Cast
from tests.whip.door import Door, door_make


@pytest.fixture
def door(cast: Cast) -> Door:
    return door_make(cast.anna, "Front door")
