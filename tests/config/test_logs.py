"""How the hub writes its log."""

import logging
from typing import Any

import pytest
import structlog
from django.conf import settings
from kombu import Connection
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


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


def test_a_task_that_comes_while_its_worker_stops_is_no_news() -> None:
    kept, logger = Kept(), logging.getLogger("kombu.transport.virtual.base")
    configure(settings.LOGGING)
    logger.addHandler(kept)
    transport: Any = Connection("memory://").transport
    try:
        transport._deliver({}, "stt")  # to a queue that nobody takes from any more
        assert kept.words == []
        logger.filters.clear()
        transport._deliver({}, "stt")
        assert len(kept.words) == 1
    finally:
        logger.removeHandler(kept)
        configure(settings.LOGGING)
