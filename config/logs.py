"""structlog for everything: one readable line for people, JSON with HUB_LOG_JSON=1."""

import logging
import logging.config
import os
import re
from typing import Any

import structlog

# Whoever opens one of these sets a password, or owns an e-mail address.
_KEY_IN_PATH = re.compile(r"(/(?:password/reset/key|confirm-email)/)[^/\s'\"?]+")


def hide_keys(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """A structlog processor: the query of an address may hold a set-up token, its path the key of a password link."""
    if isinstance(event.get("request"), str):
        event["request"] = event["request"].partition("?")[0]
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _KEY_IN_PATH.sub(r"\1...", value)
    return event


class OneLine(logging.Filter):
    """For a library that reports what it mends by itself: the sentence, without the traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


class NoRequeued(logging.Filter):
    """A task that comes while its worker stops goes back in line, which is no news: the next worker takes it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Requeuing undeliverable message")


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="%H:%M:%S"),
    hide_keys,
]
# One list for ever: loggers that were used before a second `django.setup()` keep what they were made with.
_PROCESSORS: list[Any] = [
    structlog.stdlib.filter_by_level,
    *_SHARED,
    structlog.processors.format_exc_info,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def configure(config: dict[str, Any]) -> None:
    """Called by Django with settings.LOGGING."""
    is_json = os.environ.get("HUB_LOG_JSON") == "1"
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if is_json
        # Plain, because the pretty one prints local variables, and these hold tokens and what people said.
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processor": renderer,
                    "foreign_pre_chain": _SHARED,
                },
            },
            "filters": {"one line": {"()": OneLine}, "no requeued": {"()": NoRequeued}},
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["console"], "level": config.get("level", "INFO")},
            # These write what people send each other, or one line per packet.
            "loggers": {
                name: {"level": "WARNING"}
                for name in (
                    "aioice",
                    "aiortc",
                    "daphne",
                    "django_structlog",
                    "faster_whisper",
                    "fido2",
                    "httpx",
                    "piper",
                )
            }
            # A waiting device asks every five seconds and is told to wait, with status 400 (RFC 8628 section 3.5).
            | {"django.request": {"level": "ERROR"}}
            # It connects again by itself when Redis is back.
            | {"channels_redis.pubsub": {"filters": ["one line"]}}
            | {"kombu.transport.virtual.base": {"filters": ["no requeued"]}},
        }
    )
