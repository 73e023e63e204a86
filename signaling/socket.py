"""What both sockets share: parsing, limits, errors on the wire, deadlines."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from autobahn.exception import Disconnected
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django_scopes import scope
from redis.exceptions import RedisError

from calls.refusals import refusals
from common.errors import PROBLEM_WORDS, Unavailable, refusal_of
from common.stamps import event_is_ours
from households.models import Household
from protocol.base import Message, MessageError
from protocol.errors import CloseCode, ErrorCode
from protocol.messages.calls import CallStateMessage
from protocol.messages.socket import Error, Ping, Pong
from signaling.limits import BAD_MESSAGES, BURST, HELLO_DEADLINE_S, RATE_PER_S, TokenBucket
from signaling.loans import LoanWatch
from signaling.pulse import pulse_get
from signaling.recheck import Recheck

log = structlog.get_logger(__name__)
_CALL_STATE = '{"type":"call_state"'  # how common.push writes it


class _FromClient(dict[str, Any]):
    """What the server below handed over; everything else comes from the channel layer."""


class HubSocket(AsyncWebsocketConsumer, ABC):  # type: ignore[misc]  # channels has no types
    """One socket. Subclasses say how to parse, who is there, and what each message does."""

    idle_s: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.household: Household | None = None
        self._bucket = TokenBucket(RATE_PER_S, BURST)
        self._bad_count = 0
        self._call_told = ""
        self._heard_at = time.monotonic()
        self._watch: asyncio.Task[None] | None = None
        self._recheck = Recheck(self.look_again, self._give_up)
        self._is_out = self._is_busy = False
        self.loans = LoanWatch(self.query)
        self._groups: set[str] = set()
        self._groups_before: set[str] = set()

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        async def send_while_open(event: Any) -> None:
            with suppress(Disconnected):  # Daphne's way to say so; its `websocket.disconnect` is under way
                await send(event)

        async def receive_marked() -> _FromClient:
            return _FromClient(await receive())

        try:
            await super().__call__(scope, receive_marked, send_while_open)
        finally:
            await (
                self._part()
            )  # whatever ended it: a socket that failed or was cancelled gets no `disconnect`

    @abstractmethod
    def parse(self, text: str) -> Message:
        """Raises MessageError."""

    @abstractmethod
    async def handle(self, message: Message) -> None:
        """Do what it says. Raises DomainError in the user's words."""

    async def left(self) -> None:
        """The socket is gone. May raise DatabaseError: the sweeps do then what it could not."""

    async def catch_up(self) -> None:
        """Pushes were lost for a while. Tells the client how things stand. Raises DomainError, DatabaseError."""

    async def look_again(self) -> None:
        """Reads the rows again: may this socket still be what it is? Turns it out where not. Raises DatabaseError."""

    async def make_sure(self) -> None:
        """Looks again before anything is told. Raises what kept it from that; it is tried again soon then."""
        try:
            await self.look_again()
        except Exception:
            self._recheck.ask()
            raise

    # --- from inside the hub -----------------------------------------------------------------

    async def enter(self, group: str) -> None:
        """From now on it hears what is pushed to this group."""
        self._groups.add(group)
        self._groups_before.discard(group)
        await self.channel_layer.group_add(group, self.channel_name)

    async def leave(self, group: str) -> None:
        self._groups.discard(group)
        self._groups_before.add(group)
        await self.channel_layer.group_discard(group, self.channel_name)

    async def dispatch(self, message: Any) -> None:
        """Of what comes from the channel layer only what the hub wrote, for this socket: nobody else speaks there."""
        if isinstance(message, _FromClient):
            await super().dispatch(message)
        elif event_is_ours(message, at={self.channel_name, *self._groups, *self._groups_before}):
            if message["to"] not in self._groups_before:  # it was on its way when this left the group
                await super().dispatch(message)
        else:
            await self.refused(message)

    async def refused(self, event: Any) -> None:
        """A message from inside the hub that was not as the hub writes it."""
        await refusals.note(event, household=self.household)

    # --- sending -----------------------------------------------------------------------------

    async def reply(self, message: Message, to: Message | None = None) -> None:
        if isinstance(message, CallStateMessage):
            self._call_told = message.to_json()
        if to is not None and to.id:
            message = message.model_copy(update={"reply_to": to.id})
        await self.send(text_data=message.to_json())

    async def refuse(self, code: ErrorCode, words: str, reply_to: str | None = None) -> None:
        await self.send(text_data=Error(code=code, message=words, reply_to=reply_to).to_json())

    async def push_message(self, event: dict[str, Any]) -> None:
        """From common.push."""
        if event["text"].startswith(_CALL_STATE):
            self._call_told = event["text"]
        await self.send(text_data=event["text"])

    def call_told(self) -> UUID | None:
        """The call of which the client heard last on this socket."""
        return UUID(json.loads(self._call_told)["call_id"]) if self._call_told else None

    async def tell_call(self, message: CallStateMessage) -> None:
        """How the call stands, unless that was said last. For when a client speaks of its call: a push may be lost."""
        if message.to_json() != self._call_told:
            await self.reply(message)

    async def close(self, code: CloseCode | None = None, reason: str | None = None) -> None:
        # Daphne takes a plain integer and nothing that is merely one.
        await super().close(None if code is None else int(code), reason)

    async def recheck(self, event: dict[str, Any]) -> None:
        """From common.push."""
        self._recheck.ask()

    async def turn_out(self, last: Message, code: CloseCode | None) -> None:
        """With a last word. Nothing that still comes in is heard. Without a code the client comes back soon."""
        if not self._is_out:
            self._is_out = True
            await self.send(text_data=last.to_json())
            await self.close(code)

    async def _give_up(self) -> None:
        """Nobody can say whether it may stay. The client comes back soon, and is asked who it is."""
        await self.turn_out(Error(code=ErrorCode.INTERNAL, message=PROBLEM_WORDS), None)

    # --- running -----------------------------------------------------------------------------

    async def query(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a service in a thread, inside the household's scope."""

        def run() -> Any:
            if self.household is None:
                return function(*args, **kwargs)
            with scope(household=self.household):
                return function(*args, **kwargs)

        return await database_sync_to_async(run)()

    async def connect(self) -> None:
        await self.accept()
        pulse_get().join(self)
        self._recheck.start()
        self._watch = asyncio.create_task(self._watch_silence(), name="socket silence")

    async def disconnect(self, code: int) -> None:
        await self._part()

    async def _part(self) -> None:
        """Once, however often it is called."""
        watch, self._watch = self._watch, None
        if watch is None:
            return
        watch.cancel()
        await self._recheck.stop()
        self.loans.end()
        await pulse_get().leave(self)
        try:
            await self.left()
        except (DatabaseError, RedisError, OSError):
            log.exception("a socket could not be left in order")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self._heard_at = time.monotonic()
        if self._is_out:
            return
        if not self._bucket.take():
            await self._abuse(ErrorCode.TOO_MANY, "Too many messages. Send them more slowly.")
            return
        if text_data is None:
            await self._abuse(ErrorCode.BAD_MESSAGE, "Messages are text, not bytes.")
            return
        try:
            message = self.parse(text_data)
        except MessageError as error:
            await self._abuse(error.code, error.message, error.reply_to)
            return
        await self._handle_safely(message)

    async def _handle_safely(self, message: Message) -> None:
        self._is_busy = True
        try:
            if isinstance(message, Ping):
                await self.heard()
                await self.reply(Pong(), message)
            elif not isinstance(message, Pong):
                await self.handle(message)
        except Exception as error:
            # Whatever it was, it was this one message: the socket, and the call that it carries, go on.
            refusal = refusal_of(error)
            if refusal is None:
                log.exception("a message could not be handled", type=type(message).__name__)
                refusal = Unavailable(PROBLEM_WORDS)
            await self.refuse(refusal.wire_code, refusal.message, message.id)
        finally:
            self._is_busy = False

    async def heard(self) -> None:
        """A heartbeat came."""

    async def _abuse(self, code: ErrorCode, words: str, reply_to: str | None = None) -> None:
        await self.refuse(code, words, reply_to)
        self._bad_count += 1
        if self._bad_count >= BAD_MESSAGES:
            await self.close(CloseCode.TOO_BIG if code is ErrorCode.TOO_LARGE else CloseCode.POLICY)

    async def _watch_silence(self) -> None:
        await asyncio.sleep(HELLO_DEADLINE_S)
        if self.household is None and self._is_busy:
            # Somebody did, and the rows that say who it is cannot be read, as while the database hangs.
            await self._give_up()
            return
        if self.household is None:
            await self.refuse(ErrorCode.NOT_SIGNED_IN, "Nobody said hello.")
            await self.close(CloseCode.NOT_SIGNED_IN)
            return
        left = self.idle_s
        while left > 0:
            await asyncio.sleep(left)
            left = self._heard_at + self.idle_s - time.monotonic()
        await self.close()
