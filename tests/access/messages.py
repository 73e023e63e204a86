"""One message after the other on a socket, and what is said to each. Made from the unions: a new one is tried, too."""

from typing import Any, Protocol
from uuid import UUID

from protocol.base import Message


class Speaks(Protocol):
    """One end of a socket, with or without a network."""

    async def say(self, type_: str, **fields: Any) -> None: ...

    async def hear(self, *types: str) -> dict[str, Any]: ...


def id_fields(model: type[Message]) -> list[str]:
    """The fields that name something of the hub."""
    fields = {name for name, one in model.model_fields.items() if "UUID" in str(one.annotation)}
    return [] if model.model_fields["type"].default == "hello" else sorted(fields)


async def what_is_said(socket: Speaks, model: type[Message], **ids: UUID) -> tuple[str, str] | None:
    """Code and words of the error; None: it was taken. An id that is needed and not given is one that is."""
    given = {name: str(one) for name, one in ids.items()}
    needed = {name: next(iter(given.values())) for name in id_fields(model) if _is_needed(model, name)}
    message = _message(model) | needed | given
    await socket.say(message.pop("type"), **message, id="m")
    await socket.say("ping", id="p")
    said: tuple[str, str] | None = None
    while (answer := await socket.hear())["type"] != "pong":
        if answer["type"] == "error" and answer.get("reply_to") == "m":
            said = (answer["code"], answer["message"])
    return said


def _is_needed(model: type[Message], name: str) -> bool:
    return model.model_fields[name].is_required()


def _message(model: type[Message]) -> dict[str, Any]:
    """One that the hub can read, with what it cannot do without."""
    known = {
        "text": "Hello.", "sdp": "v=0", "voice_id": "x", "candidate": "", "reason": "busy", "state": "played",
        "agent_version": "1", "signature": "x",
    }  # fmt: skip
    needed = {name: known.get(name, "x") for name, one in model.model_fields.items() if one.is_required()}
    return {**needed, "type": model.model_fields["type"].default}
