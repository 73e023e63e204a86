"""How the hub writes its log."""

import pytest
import structlog
from django.conf import settings
from structlog.testing import capture_logs

from config.logs import configure

pytestmark = pytest.mark.unit


def test_a_logger_that_was_used_before_a_second_set_up_writes_to_the_same_log() -> None:
    log = structlog.get_logger("used before")
    with capture_logs():
        log.info("first")
    log.debug("now it is kept")
    configure(settings.LOGGING)
    with capture_logs() as lines:
        log.warning("second")
    assert [line["event"] for line in lines] == ["second"]
