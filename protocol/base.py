"""What every message has, and how text becomes a message."""

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from protocol.errors import ErrorCode

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024
MAX_SDP_CHARS = 16 * 1024
ShortText = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]

MessageT = TypeVar("MessageT", bound="Message")


class Message(BaseModel):
    """A frozen message. A request may carry `id`; its answer repeats it as `reply_to`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str | None = Field(default=None, max_length=64)
    reply_to: str | None = Field(default=None, max_length=64)

    def to_json(self) -> str:
        return self.model_dump_json(exclude_none=True)


class Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MessageError(Exception):
    """A text that is no message. Says what is wrong and which request it was, where that could be read."""

    def __init__(self, code: ErrorCode, message: str, reply_to: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.reply_to = code, message, reply_to


def parse(
    text: str,
    adapter: TypeAdapter[MessageT],
    known_types: frozenset[str],
    *,
    extra: Literal["forbid", "ignore"] = "forbid",
) -> MessageT:
    """Text to message. Raises MessageError with the code that goes back on the wire. `extra`: unknown fields."""
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        raise MessageError(ErrorCode.TOO_LARGE, f"A message may have at most {MAX_MESSAGE_BYTES} bytes.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise MessageError(ErrorCode.BAD_MESSAGE, "This is not JSON.") from None
    if not isinstance(data, dict):
        raise MessageError(ErrorCode.BAD_MESSAGE, "A message is a JSON object.")
    reply_to = _request_id(data.get("id"))
    type_ = data.get("type")
    if not isinstance(type_, str) or type_ not in known_types:
        raise MessageError(ErrorCode.UNKNOWN_TYPE, _unknown_type(type_), reply_to)
    try:
        return adapter.validate_python(data, extra=extra)
    except ValidationError as error:
        raise MessageError(ErrorCode.BAD_MESSAGE, _first_problem(error), reply_to) from None


def _request_id(value: Any) -> str | None:
    """What an error may repeat: not a lone surrogate, which JSON can carry and UTF-8 cannot."""
    return value if isinstance(value, str) and len(value) <= 64 and value.isprintable() else None


def _unknown_type(value: Any) -> str:
    return (
        f"There is no message type {str(value)[:40]!r}." if value is not None else "A message needs a type."
    )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # The first part of the place is the message type, the tag of the union.
    place = ".".join(str(part) for part in problem["loc"][1:])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
