"""docs/asyncapi.yaml (AsyncAPI 3.0), made from the message models."""

from typing import Any

from pydantic.json_schema import models_json_schema

from protocol.base import MAX_MESSAGE_BYTES, PROTOCOL_VERSION, Message
from protocol.messages.unions import UNIONS, members

_REF = "#/components/schemas/{model}"
_CHANNELS = {
    "browser": (
        "/ws/hub/",
        "A browser with a session, or a program with an API token.",
        "browser",
        "hub_to_browser",
    ),
    "device": ("/ws/device/", "A claimed device, proved by its key.", "device", "hub_to_device"),
}


def asyncapi_document() -> dict[str, Any]:
    """The document as plain data, in a stable order."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hearthline signaling",
            "version": str(PROTOCOL_VERSION),
            "description": (
                "JSON over WebSocket, one object a message. A request may carry `id`; its answer, or the `error`, "
                f"repeats it as `reply_to`. A message has at most {MAX_MESSAGE_BYTES} bytes. Unknown types, unknown "
                "fields and wrong fields get an `error`; only repeated abuse closes the socket."
            ),
            "license": {"name": "AGPL-3.0-or-later", "url": "https://www.gnu.org/licenses/agpl-3.0.html"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(*channel) for name, channel in _CHANNELS.items()},
        "operations": {
            f"{action}_{name}": _operation(name, action, union)
            for name, (_, _, receives, sends) in _CHANNELS.items()
            for action, union in (("receive", receives), ("send", sends))
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel(address: str, description: str, *unions: str) -> dict[str, Any]:
    models = sorted({model.__name__ for union in unions for model in members(UNIONS[union])})
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in models},
    }


def _operation(channel: str, action: str, union: str) -> dict[str, Any]:
    """`receive` and `send` as the hub does them."""
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [
            {"$ref": f"#/channels/{channel}/messages/{model.__name__}"} for model in members(UNIONS[union])
        ],
    }


def _models() -> list[type[Message]]:
    return sorted({m for union in UNIONS.values() for m in members(union)}, key=lambda m: m.__name__)


def _messages() -> dict[str, Any]:
    return {
        model.__name__: {
            "name": model.model_fields["type"].default,
            **({"summary": model.__doc__.splitlines()[0]} if model.__doc__ else {}),
            "payload": {"$ref": _REF.format(model=model.__name__)},
        }
        for model in _models()
    }


def _schemas() -> dict[str, Any]:
    _, schema = models_json_schema([(model, "validation") for model in _models()], ref_template=_REF)
    return dict(sorted(schema["$defs"].items()))
