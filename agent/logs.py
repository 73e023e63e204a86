"""Log lines that read as sentences: the event is a template, its keywords fill it in."""

import logging
import sys
from string import Formatter

import structlog
from structlog.typing import EventDict, WrappedLogger

_LIBRARIES = ("aiortc", "aioice", "httpx", "httpcore", "websockets", "av", "libav")


def as_sentence(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """`"{device} is online", device="Kitchen"` becomes `Kitchen is online`; other keywords stay beside it."""
    template = str(event_dict["event"])
    names = {name for _, name, _, _ in Formatter().parse(template) if name}
    if names and names <= event_dict.keys():
        event_dict["event"] = template.format(**{name: event_dict[name] for name in names})
        for name in names - {"event"}:
            del event_dict[name]
    return event_dict


def configure(*, is_verbose: bool = False) -> None:
    """Everything to stderr; stdout is for programs."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.processors.add_log_level,
            as_sentence,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if is_verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
