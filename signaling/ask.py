"""Asking a media worker from outside of a socket, and waiting for what it says."""

import asyncio
from typing import Any

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from calls.refusals import refusals
from common.errors import Unavailable
from common.push import apush, group_worker
from common.stamps import event_is_ours
from protocol.base import Message
from protocol.errors import ErrorCode
from protocol.messages.connection import WebrtcAnswer
from protocol.messages.socket import Error
from protocol.messages.unions import parse_from_hub
from protocol.worker import LegOffer

WITHIN_S = 6.0  # a relay that does not answer costs the worker three


async def worker_ask(worker_id: str, offer: LegOffer) -> WebrtcAnswer | Error:
    """`offer.reply_channel` is filled in here. Raises Unavailable when nothing comes in time."""
    layer = get_channel_layer()
    reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    try:
        channel: str = await layer.new_channel()
        listening = asyncio.create_task(_listen(channel, reply), name="ask worker")
        try:
            await apush(group_worker(worker_id), offer.model_copy(update={"reply_channel": channel}))
            event = await asyncio.wait_for(reply, WITHIN_S)
        finally:
            # A cancelled `receive` is how the channel layer learns that nobody listens any more.
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    except (TimeoutError, RedisError, OSError):
        raise Unavailable("The hub cannot take the device right now.", code=ErrorCode.NO_WORKER) from None
    message: Message = parse_from_hub(event["text"], to_device=True)
    if not isinstance(message, WebrtcAnswer | Error):
        raise Unavailable("The hub cannot take the device right now.")
    return message


async def _listen(channel: str, reply: "asyncio.Future[dict[str, Any]]") -> None:
    while True:
        event = await get_channel_layer().receive(channel)
        if not event_is_ours(event, at=(channel,)):
            await refusals.note(event)
        elif not reply.done():
            reply.set_result(event)
