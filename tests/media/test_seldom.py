"""Lines that a stranger can cause do not fill the log."""

import pytest
from structlog.testing import capture_logs

from media import seldom
from media.seldom import Seldom

pytestmark = pytest.mark.unit


def test_of_many_lines_one_is_written_and_the_next_says_how_many_were_left_out() -> None:
    now_s = 100.0
    one = Seldom("packet_dropped", clock=lambda: now_s)
    with capture_logs() as lines:
        for _ in range(1000):
            one.warn(error="ValueError")
        now_s += seldom.EVERY_S
        one.warn(error="IndexError")
    assert [(line["error"], line["left_out"]) for line in lines] == [("ValueError", 0), ("IndexError", 999)]
