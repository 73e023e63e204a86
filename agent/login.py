"""A device and its hub prove to each other who they are, at the beginning of each connection."""

import secrets

from websockets.asyncio.client import ClientConnection

from agent import __version__
from agent.errors import AgentError
from agent.identity import Identity
from protocol.base import MessageError
from protocol.errors import ErrorCode
from protocol.identity import HubWord, hub_text
from protocol.messages.household import Unclaimed, Unknown
from protocol.messages.socket import Challenge, DeviceHello, Error, HelloAck
from protocol.messages.unions import parse_from_hub

_WORDS = {HelloAck: HubWord.WELCOME, Unclaimed: HubWord.UNCLAIMED, Unknown: HubWord.UNKNOWN}


class HubRefusedError(AgentError):
    """This is not our hub, or it does not want this device."""


class NotKnownError(HubRefusedError):
    """It is our hub, and no row of it names this device."""


class Login:
    """Of one connection."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._nonce = secrets.token_urlsafe(32)

    async def run(self, socket: ClientConnection) -> HelloAck | Unclaimed:
        """Raises HubRefusedError for a hub that did not claim this device, ConnectionError for one in trouble,
        NotKnownError for one that lost its rows.
        """
        challenge = parse_from_hub(text_of(await socket.recv()), to_device=True)
        if not isinstance(challenge, Challenge):
            raise HubRefusedError("The hub did not begin with a challenge. Is it a Hearthline hub?")
        if challenge.hub_id != self._identity.hub_id:
            raise _another_hub()
        hello = DeviceHello(
            device_id=self._identity.device_id,
            signature=self._identity.sign_login(nonce=challenge.nonce),
            epoch=self._identity.epoch,
            nonce=self._nonce,
            agent_version=__version__,
        )
        await socket.send(hello.to_json())
        while True:
            answer = parse_from_hub(text_of(await socket.recv()), to_device=True)
            if isinstance(answer, HelloAck | Unclaimed):
                self.check(answer)
                return answer
            if isinstance(answer, Unknown):
                self.check(answer)
                raise NotKnownError("The hub does not know this device any more.")
            if isinstance(answer, Error) and answer.code == ErrorCode.INTERNAL:
                raise ConnectionError(answer.message)  # such as while its database starts: soon it can
            if isinstance(answer, Error):
                raise HubRefusedError(f"The hub does not let this device in: {answer.message}")

    def check(self, answer: HelloAck | Unclaimed | Unknown) -> None:
        """Anybody can say a hub's id; only the hub itself can sign. Raises HubRefusedError."""
        word, device_id = _WORDS[type(answer)], str(self._identity.device_id)
        text = hub_text(word=word, device_id=device_id, nonce=self._nonce)
        if not self._identity.is_of_hub(signature=answer.proof or "", text=text):
            raise _another_hub()


def _another_hub() -> HubRefusedError:
    return HubRefusedError(
        "Another hub answers at this address than the one that claimed this device. "
        "It gets nothing. To give the device to it, reset the device first."
    )


def text_of(data: str | bytes) -> str:
    """Raises MessageError for bytes."""
    if isinstance(data, bytes):
        raise MessageError(ErrorCode.BAD_MESSAGE, "A message is text, not bytes.")
    return data
