"""How the hub writes its log."""

import logging
from collections.abc import Iterator

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


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What kombu's transport says."""
    logger, kept = logging.getLogger("kombu.transport.virtual.base"), Kept()
    logger.addHandler(kept)
    yield kept
    logger.removeHandler(kept)


def test_a_task_that_comes_while_its_worker_stops_is_no_news(kept: Kept) -> None:
    def nobody_takes_it() -> None:
        with Connection("memory://") as connection:
            connection.transport._deliver({}, "stt")

    logging.getLogger("kombu.transport.virtual.base").filters.clear()
    nobody_takes_it()
    assert len(kept.words) == 1
    configure(settings.LOGGING)
    nobody_takes_it()
    logging.getLogger("kombu.transport.virtual.base").warning("Something else")
    assert kept.words[1:] == ["Something else"]
