"""A hub for the agent's tests: the true protocol over real HTTP, WebSocket and WebRTC on loopback."""

import asyncio
import base64
import hashlib
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar, cast
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from protocol.base import Message
from protocol.certificates import Certificate, CertificateRequest
from protocol.enrollment import Authorization, AuthorizationRequest, Enrollment, EnrollmentError, TokenRequest
from protocol.errors import CloseCode, ErrorCode
from protocol.identity import HubWord, answer_text, fingerprints, hub_text, login_text, next_key_text
from protocol.messages.announcements import Announce
from protocol.messages.calls import CallInvited
from protocol.messages.connection import (
    IceServer,
    IceServers,
    IceServersRequest,
    IceTransportPolicy,
    WebrtcAnswer,
    WebrtcOffer,
)
from protocol.messages.household import Unclaimed, Unknown
from protocol.messages.socket import Challenge, DeviceHello, Error, HelloAck, Ping, Pong
from protocol.messages.unions import parse_device
from tests.fakes.authority import certificate_make, pem_of, spki_sha256
from tests.fakes.front import Front
from tests.fakes.leg import FakeLeg

MessageT = TypeVar("MessageT", bound=Message)
PATIENCE_S = 60.0  # a program that starts on a busy computer
CODE = "BCDFGHJKLM"


class FakeHub:
    """One household, one device. `async with FakeHub() as hub` listens on `hub.url`."""

    def __init__(self, *, port: int = 0) -> None:
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        self.ca = certificate_make("Fake CA", self.ca_key.public_key(), self.ca_key, "Fake CA")
        self.device_id = uuid4()
        self.device_name = "Kitchen speaker"
        self.device_key: ec.EllipticCurvePublicKey | None = None
        self.next_key: ec.EllipticCurvePublicKey | None = None  # was asked for with a certificate request
        self.epoch = 1
        self.reads_offer: Callable[[WebrtcOffer], WebrtcOffer] = lambda offer: offer
        self.on_the_way: Callable[[WebrtcAnswer], WebrtcAnswer] = lambda answer: answer  # who stands between
        self.token_answers: deque[str] = deque()  # RFC 8628 error words; when empty: enrolled
        self.gives_foreign_certificate = False
        self.claimed_fingerprints: set[str] = set()
        self.says_unclaimed = False
        self.says_unknown = False
        self.transfer_code: str | None = None  # goes with it
        self.challenge_count = self.refused_logins = 0
        self.fingerprint_in_link: str | None = None
        self.shown_hub_id: str | None = None
        self.login_troubles = 0  # so often it says that it has a problem
        self.signs_with: ec.EllipticCurvePrivateKey | None = self.ca_key  # None: no proof at all
        self.answers_pings = True
        self.refuses_offers: deque[ErrorCode] = deque()
        self.answer_offer: Callable[[WebrtcOffer], Awaitable[str]] | None = None  # in the place of a FakeLeg
        self.first_words: list[Message] = []  # sent after every hello_ack
        self.in_authorization: dict[str, object] = {}
        self.authorizations: list[AuthorizationRequest] = []
        self.token_times: list[float] = []
        self.clips: dict[str, bytes] = {}
        self.clip_fetches: list[str] = []
        self.clip_troubles: deque[int] = deque()  # statuses that come before the clip
        self.ice_servers: list[IceServer] = []
        self.ice_transport_policy = IceTransportPolicy.ALL
        self.hub_time = datetime.now(UTC)
        self.tells_time = True
        self.certificate_ends_at = self.hub_time + timedelta(
            days=30
        )  # of the next ones; they begin a day ago
        self.certificate_answers: deque[ErrorCode | str] = deque()  # a code, or the PEM of a certificate
        self.messages: list[Message] = []
        self.hellos: list[DeviceHello] = []
        self.legs: list[FakeLeg] = []
        self.tone_hz = 700.0
        self._socket: ServerConnection | None = None
        self._changed = asyncio.Condition()
        self._front = Front(self._answer, port=port)
        self._sockets: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._front.port}"

    @property
    def hub_id(self) -> str:
        return spki_sha256(self.ca_key.public_key())

    @property
    def is_online(self) -> bool:
        return self._socket is not None

    async def __aenter__(self) -> Self:
        self._sockets = await serve(self._converse, "127.0.0.1", 0, ping_interval=None)
        self._front.behind = next(iter(self._sockets.sockets)).getsockname()[1]
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_listening()
        if self._sockets is not None:
            self._sockets.close()
            await self._sockets.wait_closed()
        for leg in self.legs:
            await leg.close()

    async def listen(self) -> None:
        await self._front.listen()

    async def stop_listening(self) -> None:
        """Like a pulled cable: no close handshake."""
        self._front.close()
        await self.cut()

    async def cut(self) -> None:
        await self._front.cut()
        await self.until(lambda: not self.is_online)

    # --- what a test asks and says ------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], *, timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    async def online(self, *, count: int = 1) -> None:
        await self.until(lambda: self.is_online and len(self.hellos) >= count)

    async def until_http(self, *, authorizations: int = 0, tokens: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.authorizations) < authorizations or len(self.token_times) < tokens:
                await asyncio.sleep(0.01)

    async def received(
        self, kind: type[MessageT], *, count: int = 1, timeout_s: float = PATIENCE_S
    ) -> MessageT:
        """The `count`th message of this kind, waiting for it."""
        await self.until(lambda: len(self.all(kind)) >= count, timeout_s=timeout_s)
        return self.all(kind)[count - 1]

    def all(self, kind: type[MessageT]) -> list[MessageT]:
        return [message for message in self.messages if isinstance(message, kind)]

    async def send(self, message: Message) -> None:
        if self._socket is None:
            raise RuntimeError("The device is not online.")
        await self._socket.send(message.to_json())

    async def send_text(self, text: str) -> None:
        if self._socket is None:
            raise RuntimeError("The device is not online.")
        await self._socket.send(text)

    def proof(self, word: HubWord, nonce: str | None) -> str | None:
        if self.signs_with is None or nonce is None:
            return None
        text = hub_text(word=word, device_id=str(self.device_id), nonce=nonce)
        return base64.b64encode(self.signs_with.sign(text, ec.ECDSA(hashes.SHA256()))).decode()

    def unclaimed(self, nonce: str | None) -> Unclaimed:
        """With the hub's proof for the connection of this nonce."""
        return Unclaimed(
            reason="The device was removed from its home.",
            proof=self.proof(HubWord.UNCLAIMED, nonce),
            transfer_code=self.transfer_code,
        )

    async def close_socket(self, code: int) -> None:
        if self._socket is not None:
            await self._socket.close(code)

    async def call(self, *, auto_answer: bool = True, caller: str = "Anna") -> UUID:
        call_id = uuid4()
        await self.send(CallInvited(call_id=call_id, caller_name=caller, auto_answer=auto_answer))
        return call_id

    def make_announcement(self, clip: bytes, *, sha256: str | None = None) -> Announce:
        path = f"/clips/{secrets.token_hex(8)}.wav"
        self.clips[path] = clip
        return Announce(
            delivery_id=uuid4(),
            text="Dinner is ready",
            clip_url=path,
            clip_sha256=sha256 or hashlib.sha256(clip).hexdigest(),
            expires_at=datetime.now(UTC) + timedelta(minutes=5),
        )

    async def leg(self, number: int = 1) -> FakeLeg:
        """The `number`th peer connection that the agent asked for, connected."""
        await self.until(lambda: len(self.legs) >= number)
        await self.legs[number - 1].connected()
        return self.legs[number - 1]

    # --- HTTP ---------------------------------------------------------------------------------

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if (method, path) == ("POST", "/api/v1/devices/authorizations"):
            return self._authorize(AuthorizationRequest.model_validate_json(body))
        if (method, path) == ("POST", "/api/v1/devices/token"):
            return self._token(TokenRequest.model_validate_json(body))
        if method == "GET" and path in self.clips:
            self.clip_fetches.append(path)
            if self.clip_troubles:
                return self.clip_troubles.popleft(), b"busy"
            return 200, self.clips[path]
        return 404, b"{}"

    def _authorize(self, request: AuthorizationRequest) -> tuple[int, bytes]:
        self.authorizations.append(request)
        csr = x509.load_pem_x509_csr(request.csr_pem.encode())
        if not csr.is_signature_valid:
            raise ValueError("bad CSR")
        self.device_key = cast(ec.EllipticCurvePublicKey, csr.public_key())
        fingerprint = self.fingerprint_in_link or spki_sha256(self.device_key)
        if fingerprint in self.claimed_fingerprints:
            return 409, b'{"message": "This device belongs to a home already."}'
        link = f"{self.url}/claim#s={secrets.token_urlsafe(16)}&f={fingerprint}"
        authorization = Authorization(
            device_code=f"device-code-{len(self.authorizations)}",
            user_code=CODE,
            verification_uri=f"{self.url}/claim",
            verification_uri_complete=link,
            expires_in=600,
            interval=0,
        )
        return 200, json.dumps(authorization.model_dump(mode="json") | self.in_authorization).encode()

    def _token(self, request: TokenRequest) -> tuple[int, bytes]:
        self.token_times.append(asyncio.get_running_loop().time())
        if self.token_answers:
            word = self.token_answers.popleft()
            if word.isdigit():
                return int(word), b"<html>Bad gateway</html>"
            return 400, _json(EnrollmentError(error=word, error_description=f"It is {word}."))
        if request.device_code != f"device-code-{len(self.authorizations)}" or self.device_key is None:
            return 400, _json(EnrollmentError(error="expired_token", error_description="Too late."))
        foreign = ec.generate_private_key(ec.SECP256R1()).public_key()
        key = foreign if self.gives_foreign_certificate else self.device_key
        certificate = self.certificate_for(key)
        enrollment = Enrollment(
            device_id=self.device_id,
            certificate_pem=pem_of(certificate),
            ca_pem=pem_of(self.ca),
            household_name="Anna's home",
            device_name=self.device_name,
            epoch=self.epoch,
        )
        return 200, _json(enrollment)

    def certificate_for(self, key: ec.EllipticCurvePublicKey) -> x509.Certificate:
        return certificate_make("device", key, self.ca_key, "Fake CA", ends_at=self.certificate_ends_at)

    # --- WebSocket ----------------------------------------------------------------------------

    async def _converse(self, socket: ServerConnection) -> None:
        try:
            await self._log_in(socket)
            async for text in socket:
                await self._take(socket, str(text))
        except ConnectionClosed:
            pass
        finally:
            if self._socket is socket:
                self._socket = None
                await self._tell_waiters()

    async def _log_in(self, socket: ServerConnection) -> None:
        nonce = secrets.token_hex(16)
        await socket.send(Challenge(nonce=nonce, hub_id=self.shown_hub_id or self.hub_id).to_json())
        self.challenge_count += 1
        await self._tell_waiters()
        hello = parse_device(str(await socket.recv()))
        if self.login_troubles:
            self.login_troubles -= 1
            await socket.send(Error(code=ErrorCode.INTERNAL, message="The hub has a problem.").to_json())
            return
        if not isinstance(hello, DeviceHello) or not self._is_genuine(hello, nonce):
            self.refused_logins += 1
            await socket.send(Error(code=ErrorCode.NOT_SIGNED_IN, message="Who are you?").to_json())
            await socket.close(CloseCode.NOT_SIGNED_IN)
            return
        if self.says_unknown:
            await socket.send(Unknown(proof=self.proof(HubWord.UNKNOWN, hello.nonce)).to_json())
            await socket.close(CloseCode.NOT_SIGNED_IN)
            return
        if self.says_unclaimed:
            await socket.send(self.unclaimed(hello.nonce).to_json())
            await socket.close(CloseCode.REVOKED)
            return
        ack = HelloAck(
            household_id=uuid4(),
            household_name="Anna's home",
            voices=[],
            ice_servers=[],
            device_name=self.device_name,
            hub_time=self.hub_time if self.tells_time else None,
            proof=self.proof(HubWord.WELCOME, hello.nonce),
        )
        await socket.send(ack.to_json())
        for message in self.first_words:
            await socket.send(message.to_json())
        self.hellos.append(hello)
        self._socket = socket
        await self._tell_waiters()

    def _is_genuine(self, hello: DeviceHello, nonce: str) -> bool:
        if (
            self.next_key is not None
            and hello.epoch == self.epoch + 1
            and self._is_signed(hello, nonce, self.next_key)
        ):
            self.device_key, self.next_key, self.epoch = self.next_key, None, self.epoch + 1
            return True
        return (
            hello.epoch == self.epoch
            and self.device_key is not None
            and self._is_signed(hello, nonce, self.device_key)
        )

    def _is_signed(self, hello: DeviceHello, nonce: str, key: ec.EllipticCurvePublicKey) -> bool:
        text = login_text(nonce=nonce, hub_id=self.hub_id, device_id=str(hello.device_id), epoch=hello.epoch)
        try:
            key.verify(base64.b64decode(hello.signature), text, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return hello.device_id == self.device_id

    async def _take(self, socket: ServerConnection, text: str) -> None:
        message = parse_device(text)
        self.messages.append(message)
        if isinstance(message, Ping) and self.answers_pings:
            await socket.send(Pong(reply_to=message.id).to_json())
        elif isinstance(message, IceServersRequest):
            ice = IceServers(
                reply_to=message.id,
                ice_servers=self.ice_servers,
                ice_transport_policy=self.ice_transport_policy,
            )
            await socket.send(ice.to_json())
        elif isinstance(message, WebrtcOffer):
            await self._answer_offer(socket, message)
        elif isinstance(message, CertificateRequest):
            await socket.send(self._answer_request(message).to_json())
        await self._tell_waiters()

    async def _answer_offer(self, socket: ServerConnection, offer: WebrtcOffer) -> None:
        offer = self.reads_offer(offer)
        if self.refuses_offers:
            error = Error(reply_to=offer.id, code=self.refuses_offers.popleft(), message="Not now.")
            await socket.send(error.to_json())
            return
        if self.answer_offer is not None:
            sdp = await self.answer_offer(offer)
        else:
            leg = FakeLeg(tone_hz=self.tone_hz)
            sdp = await leg.answer(offer.sdp)
            self.legs.append(leg)
        answer = WebrtcAnswer(reply_to=offer.id, call_id=offer.call_id, sdp=sdp)
        answer = answer.model_copy(update={"proof": self._answer_proof(offer, answer)})
        await socket.send(self.on_the_way(answer).to_json())

    def _answer_proof(self, offer: WebrtcOffer, answer: WebrtcAnswer) -> str:
        text = answer_text(
            device_id=str(self.device_id),
            call_id=str(offer.call_id),
            request_id=offer.id or "",
            offered=fingerprints(offer.sdp),
            answered=fingerprints(answer.sdp),
        )
        return base64.b64encode(self.ca_key.sign(text, ec.ECDSA(hashes.SHA256()))).decode()

    def _answer_request(self, request: CertificateRequest) -> Message:
        word = self.certificate_answers.popleft() if self.certificate_answers else ""
        if isinstance(word, ErrorCode):
            return Error(reply_to=request.id, code=word, message="No.")
        csr = x509.load_pem_x509_csr(request.csr_pem.encode())
        key = cast(ec.EllipticCurvePublicKey, csr.public_key())
        is_next = key != self.device_key
        if is_next:
            self._check_next_key(key, request.proof or "")
            self.next_key = key
        pem = word or pem_of(self.certificate_for(key))
        return Certificate(
            reply_to=request.id, certificate_pem=pem, ca_pem=pem_of(self.ca), epoch=self.epoch + is_next
        )

    def _check_next_key(self, key: ec.EllipticCurvePublicKey, proof: str) -> None:
        """Raises InvalidSignature unless the device signed it with the key that it has."""
        device_id, known = str(self.device_id), cast(ec.EllipticCurvePublicKey, self.device_key)
        text = next_key_text(device_id=device_id, epoch=self.epoch + 1, fingerprint=spki_sha256(key))
        known.verify(base64.b64decode(proof), text, ec.ECDSA(hashes.SHA256()))

    async def _tell_waiters(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _json(model: BaseModel) -> bytes:
    return json.dumps(model.model_dump(mode="json")).encode()
