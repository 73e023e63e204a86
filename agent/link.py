"""The WebSocket to the hub: proof of the key, requests with answers, and coming back by itself."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from enum import Enum, auto

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from agent.backoff import Backoff
from agent.config import AgentConfig
from agent.errors import OfflineError, RequestRefusedError
from agent.identity import Identity
from agent.login import HubRefusedError, Login, NotKnownError, text_of
from protocol.base import MAX_MESSAGE_BYTES, Message, MessageError
from protocol.errors import CloseCode
from protocol.messages.household import Unclaimed
from protocol.messages.socket import Error, HelloAck, Ping, Pong
from protocol.messages.unions import parse_from_hub

log = structlog.get_logger(__name__)

SIGNS_IN_AGAIN = "This device signs in again."


class _Ending(Enum):
    LOST = auto()
    REFUSED = auto()  # asking again soon would change nothing
    REPLACED = auto()  # two programs with one identity must not throw each other out many times a second
    UNCLAIMED = auto()


class Link:
    """`run` returns when the device was unclaimed; until then it connects again and again."""

    def __init__(
        self,
        *,
        config: AgentConfig,
        identity: Identity,
        on_message: Callable[[Message], None],
        on_online: Callable[[HelloAck], None],
        on_offline: Callable[[], None],
    ) -> None:
        self._config, self._identity, self._timings = config, identity, config.timings
        self._on_message, self._on_online, self._on_offline = on_message, on_online, on_offline
        self._socket: ClientConnection | None = None
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._is_online = False
        self.session_count = 0  # how often this device came online
        self.last_word: Unclaimed | None = None  # with which the last household let it go
        self._last_problem = ""
        self._not_known_since: float | None = None
        self._heard_at = 0.0
        self._hurry = asyncio.Event()  # set while a call waits for the hub
        self._doubt: asyncio.Task[None] | None = None

    @property
    def is_online(self) -> bool:
        return self._is_online

    @property
    def hub_address(self) -> str | None:
        """Numeric, of the socket that is open."""
        return str(self._socket.remote_address[0]) if self._socket is not None else None

    def doubt(self) -> None:
        """The sound stopped: is the hub still there? Without an answer within `doubt_s` the socket is made anew.

        TCP itself would wait longer and longer between its tries, and come back long after the network did.
        """
        self._hurry.set()
        if self._socket is not None and (self._doubt is None or self._doubt.done()):
            self._doubt = asyncio.create_task(self._look(self._socket), name="doubt")

    def calm(self) -> None:
        """The sound is back."""
        self._hurry.clear()

    def drop(self) -> None:
        """The network under the socket is another one now: connect again at once."""
        self._hurry.set()
        if self._socket is not None:
            self._socket.transport.abort()

    async def sign_in_again(self) -> None:
        """With the key that the device has now."""
        if self._socket is not None:
            await self._socket.close(reason=SIGNS_IN_AGAIN)

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            if self._doubt is not None:
                self._doubt.cancel()
                await asyncio.gather(self._doubt, return_exceptions=True)

    async def _run(self) -> None:
        backoff = Backoff(base_s=self._timings.backoff_base_s, max_s=self._timings.backoff_max_s)
        while True:
            ending = await self._connect_once(backoff)
            if ending is _Ending.UNCLAIMED:
                return
            least_s = {
                _Ending.REFUSED: self._timings.refused_backoff_s,
                _Ending.REPLACED: self._timings.replaced_s,
            }
            wait_s = least_s.get(ending, 0.0) + backoff.next_s()
            log.debug("connecting again", wait_s=round(wait_s, 2))
            await self._pause(wait_s, may_hurry=ending is _Ending.LOST)

    async def _pause(self, wait_s: float, *, may_hurry: bool) -> None:
        if may_hurry and not self._hurry.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), wait_s)
        else:
            await asyncio.sleep(min(wait_s, self._timings.hurry_s) if may_hurry else wait_s)

    async def send(self, message: Message) -> bool:
        """False when offline: the hub reads the truth again when this device is back."""
        if self._socket is None or not self._is_online:
            return False
        try:
            await self._socket.send(message.to_json())
        except ConnectionClosed:
            return False
        return True

    async def request(self, message: Message) -> Message:
        """The answer to `message`. Raises OfflineError, TimeoutError, RequestRefusedError.

        It keeps the `id` that it has: whoever asks again with the same one gets the same answer.
        """
        request_id = message.id or uuid.uuid4().hex
        answer = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            if not await self.send(message.model_copy(update={"id": request_id})):
                raise OfflineError("The hub cannot be reached just now.")
            return await asyncio.wait_for(answer, self._timings.request_timeout_s)
        finally:
            del self._waiting[request_id]

    # --- one connection ---------------------------------------------------------------------

    async def _connect_once(self, backoff: Backoff) -> _Ending:
        try:
            async with connect(
                self._config.socket_url,
                max_size=MAX_MESSAGE_BYTES,
                # A SYN that was lost is sent again after 1, 3 and 7 s; a new one finds the network sooner.
                open_timeout=self._timings.hurry_open_s
                if self._hurry.is_set()
                else self._timings.open_timeout_s,
                close_timeout=1,
                ping_interval=None,  # the protocol's own `ping` also tells that the hub's handlers live
                compression=None,
                proxy=None,
            ) as socket:
                return await self._converse(socket, backoff)
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError, ConnectionClosed, MessageError) as error:
            self._not_known_since = None  # whatever was wrong with it may have been mended meanwhile
            self._tell("The hub at {hub} cannot be reached: {reason}", str(error) or type(error).__name__)
            return _Ending.LOST
        except NotKnownError as error:
            return self._not_known(error)
        except HubRefusedError as error:
            self._not_known_since = None
            self._tell("{reason}", str(error))
            return _Ending.REFUSED
        finally:
            self._go_offline()

    async def _converse(self, socket: ClientConnection, backoff: Backoff) -> _Ending:
        login = Login(self._identity)
        pinger: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._timings.open_timeout_s):
                first = await login.run(socket)
            self._not_known_since = None
            if isinstance(first, HelloAck):
                backoff.reset()
                self._go_online(socket, first)
                pinger = asyncio.create_task(self._keep_alive(socket), name="pinger")
                first = await self._read(socket, login)
            self.last_word = first
            return _Ending.UNCLAIMED
        except ConnectionClosed as closed:
            return self._why_closed(closed)
        finally:
            if pinger is not None:
                pinger.cancel()
                await asyncio.gather(pinger, return_exceptions=True)

    async def _read(self, socket: ClientConnection, login: Login) -> Unclaimed:
        """Until the device is unclaimed. Raises ConnectionClosed, HubRefusedError."""
        while True:
            text = await socket.recv()
            self._heard_at = time.monotonic()
            try:
                message = parse_from_hub(text_of(text), to_device=True)
            except MessageError as error:
                # A newer hub may know more words than this agent.
                log.warning("The hub said something that this device does not know.", reason=error.message)
                continue
            if isinstance(message, Unclaimed):
                login.check(message)
                return message
            await self._take(socket, message)

    async def _take(self, socket: ClientConnection, message: Message) -> None:
        waiting = self._waiting.get(message.reply_to or "")
        if waiting is not None and not waiting.done():
            if isinstance(message, Error):
                waiting.set_exception(RequestRefusedError(message.code, message.message))
            else:
                waiting.set_result(message)
        elif isinstance(message, Ping):
            await socket.send(Pong(reply_to=message.id).to_json())
        elif isinstance(message, Error):
            log.warning("The hub says: {reason}", reason=message.message, code=message.code)
        elif not isinstance(message, Pong):
            self._on_message(message)

    async def _look(self, socket: ClientConnection) -> None:
        await self._is_answered(socket, within_s=self._timings.doubt_s)

    async def _is_answered(self, socket: ClientConnection, *, within_s: float) -> bool:
        """Asks for a sign of life, and gives up the socket where none comes."""
        asked_at = time.monotonic()
        await self.send(Ping(id=uuid.uuid4().hex))
        await asyncio.sleep(within_s)
        if self._heard_at >= asked_at:
            return True
        if self._socket is socket:
            log.warning("The hub does not answer. Connecting again.")
            # A close handshake would wait for the peer that is gone.
            socket.transport.abort()
        return False

    async def _keep_alive(self, socket: ClientConnection) -> None:
        while True:
            asked_at = time.monotonic()
            if not await self._is_answered(socket, within_s=self._timings.pong_timeout_s):
                return
            await asyncio.sleep(max(0.0, asked_at + self._timings.ping_interval_s - time.monotonic()))

    def _why_closed(self, closed: ConnectionClosed) -> _Ending:
        if closed.sent is not None and closed.sent.reason == SIGNS_IN_AGAIN:
            return _Ending.LOST
        code = closed.rcvd.code if closed.rcvd is not None else None
        if code in (CloseCode.REVOKED, CloseCode.NOT_SIGNED_IN, CloseCode.POLICY):
            self._tell("The hub does not let this device in (code {reason}).", str(code))
            return _Ending.REFUSED
        if code == CloseCode.REPLACED:
            self._tell("The hub gave this connection up, or another program connects as this device.", "")
            return _Ending.REPLACED
        self._tell("The connection to {hub} is lost: {reason}", str(closed))
        return _Ending.LOST

    def _not_known(self, error: NotKnownError) -> _Ending:
        """A hub that was restored from an older backup will never know it; one with the wrong rows soon does again."""
        now = time.monotonic()
        if self._not_known_since is None:
            self._not_known_since = now
        if now - self._not_known_since >= self._timings.not_known_s:
            self._not_known_since = self.last_word = None
            log.warning("{reason} It forgets its home.", reason=str(error))
            return _Ending.UNCLAIMED
        minutes = round(self._timings.not_known_s / 60)
        after = f"After {minutes} minutes it forgets its home, and can be added again."
        self._tell("{reason}", f"{error} Was it restored from a backup? {after}")
        return _Ending.REFUSED

    def _go_online(self, socket: ClientConnection, ack: HelloAck) -> None:
        self._socket, self._is_online, self._last_problem = socket, True, ""
        self.session_count += 1
        self._on_online(ack)
        log.info("{device} is online", device=self._identity.device_name)

    def _go_offline(self) -> None:
        was_online, self._socket, self._is_online = self._is_online, None, False
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(OfflineError("The connection to the hub was lost."))
        if was_online:
            self._on_offline()

    def _tell(self, sentence: str, reason: str) -> None:
        """The same trouble is told once, not every few seconds for a night."""
        level = log.debug if self._last_problem == sentence + reason else log.warning
        self._last_problem = sentence + reason
        level(sentence, hub=self._config.hub_url, reason=reason)
