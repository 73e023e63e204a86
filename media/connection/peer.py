"""One peer connection: answers one offer, hands over microphone packets, sends what it is given."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from aiortc import (
    RTCCertificate,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from media.connection import guard
from media.connection.candidates import AddressPolicy, RemoteCandidates
from media.connection.ice import SharedConnection
from media.connection.path import selected_path
from media.connection.ports import ports
from media.connection.routes import Way
from media.connection.rtp import PacketReceiver, PacketSender, take_over
from media.connection.sdp import (
    AudioOffer,
    BadSdpError,
    read_candidate,
    read_offer,
    write_answer,
)
from media.packets import MicPacket
from media.stats import LegStats, leg_stats
from media.supervise import Supervisor, log_failure
from protocol.messages import IceServer

log = structlog.get_logger(__name__)

_CONNECTING_ENDS_S: Final = 1.0  # one turn of the ICE checks takes 20 ms
_RENEW_BEFORE: Final = timedelta(days=7)
_CAPABILITIES: Final = RTCRtpReceiver.getCapabilities("audio")
_OPUS: Final = (
    [codec for codec in _CAPABILITIES.codecs if codec.mimeType == "audio/opus"] if _CAPABILITIES else []
)


class _SharedCertificate:
    """One certificate for all connections of the process; each answer still has its own ICE password."""

    def __init__(self) -> None:
        self._certificate: RTCCertificate | None = None

    def get(self) -> RTCCertificate:
        certificate = self._certificate
        if certificate is None or certificate.expires - datetime.now(tz=UTC) < _RENEW_BEFORE:
            certificate = self._certificate = RTCCertificate.generateCertificate()
        return certificate


_CERTIFICATE = _SharedCertificate()


class PeerConnection(RTCPeerConnection):
    """aiortc's, with the certificate of the process, and without tasks that outlive `close`.

    aiortc has no parameter for the first, and does not keep the tasks in which it connects.
    """

    def __init__(self, configuration: RTCConfiguration) -> None:
        super().__init__(configuration)
        self._RTCPeerConnection__certificates = [_CERTIFICATE.get()]
        self._connecting: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        await super().close()
        if self._connecting:
            await asyncio.wait(set(self._connecting), timeout=_CONNECTING_ENDS_S)
        for transceiver in self.getTransceivers():
            await guard.end_consent(transceiver.receiver.transport.transport)

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802
        task = asyncio.current_task()
        if task is not None:
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        connect: Any = super()
        try:
            await connect._RTCPeerConnection__connect()
        except Exception as error:
            log_failure("connecting_failed", error)


class Peer:
    """Answers an offer once. `on_packet` gets every Opus packet of its microphone, from the loop's thread.

    `is_dtls_server`: aiortc's DTLS client knows no RSA certificates, such as GStreamer's; its server takes them.
    `on_state` is called with aiortc's connection state: connecting, connected, failed, closed. `way` says now and
    then whether those packets do nothing but pass; while they do, `on_packet` may not hear of them.
    """

    def __init__(
        self,
        *,
        ice_servers: list[IceServer],
        addresses: AddressPolicy,
        tasks: Supervisor,
        on_packet: Callable[["Peer", MicPacket], None],
        on_state: Callable[["Peer", str], None],
        way: Callable[["Peer"], Way | None],
        is_dtls_server: bool = False,
    ) -> None:
        guard.install()
        self._on_state = on_state
        servers = [
            RTCIceServer(urls=server.urls, username=server.username, credential=server.credential)
            for server in ice_servers
        ]
        self._connection = PeerConnection(RTCConfiguration(iceServers=servers))
        self._candidates = RemoteCandidates(self._connection, policy=addresses, tasks=tasks)
        self._connection.on("connectionstatechange", self._state_changed)
        transceiver = self._connection.addTransceiver("audio", direction="sendrecv")
        transceiver.setCodecPreferences(_OPUS)
        self._receiver: PacketReceiver
        self._sender: PacketSender
        self._transport: Any = transceiver.receiver.transport
        self._ice = SharedConnection.take_over(self._transport.transport._connection)
        self._receiver, self._sender = take_over(transceiver, partial(on_packet, self))
        self._receiver.way, self._receiver.routes = partial(way, self), ports().routes
        self._ice.on_detour(self.detour)
        self._transport.on("statechange", self._transport_changed)
        self._offer: AudioOffer | None = None
        self._is_dtls_server = is_dtls_server
        self._closed = False
        self.created_at_s = time.monotonic()

    @property
    def state(self) -> str:
        return str(self._connection.connectionState)

    @property
    def last_rtp_at_s(self) -> float | None:
        return self._receiver.heard_at_s

    @property
    def has_microphone(self) -> bool:
        """False where the other side only listens."""
        return self._offer is None or not {"a=recvonly", "a=inactive"} & set(self._offer.sdp.splitlines())

    @property
    def packets_received(self) -> int:
        """All that came over the secured connection, RTCP too."""
        return int(self._transport._RTCDtlsTransport__rx_packets) + self._receiver.packets_received

    async def answer(self, sdp: str) -> str:
        """The answer to a complete or a trickling offer. Raises BadSdpError.

        May take seconds where a STUN or TURN server does not reply.
        """
        offer = read_offer(sdp, wants_client=self._is_dtls_server)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer.sdp, type="offer"))
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:
            # aiortc's parser ends in exceptions of any kind; their texts may quote the description.
            log.warning("offer_refused", error=type(error).__name__)
            raise BadSdpError("The session description cannot be used.") from None
        self._offer = offer
        for candidate in offer.candidates:
            self.add_candidate(candidate, mid=offer.mid, index=None)
        if offer.candidates_complete:
            self.add_candidate(None, mid=None, index=None)
        return write_answer(offer, self._connection.localDescription.sdp)

    def add_candidate(self, text: str | None, *, mid: str | None, index: int | None) -> None:
        """A trickled candidate; None ends them. Raises BadSdpError. Those of refused sections are ignored."""
        offer = self._offer
        if offer is None or self._closed:
            return
        if text is None or text == "":
            if mid is None or mid in offer.mids:
                self._candidates.end()
        elif _is_for_audio(offer, mid, index):
            candidate = read_candidate(text)
            candidate.sdpMid, candidate.sdpMLineIndex = offer.mid, None
            self._candidates.take(candidate)

    @property
    def sender(self) -> PacketSender | None:
        """None once this was closed."""
        return None if self._closed else self._sender

    def settle(self) -> None:
        """Bring to date what is known here of packets that took a direct route."""
        for end in (self._receiver, self._sender):
            if end.route is not None:
                end.route.settle()

    def detour(self) -> None:
        """End the direct routes from here and to here: something on the way is about to change."""
        for end in (self._receiver, self._sender):
            if end.route is not None:
                end.route.drop()

    def forward(self, packet: MicPacket) -> None:
        self._sender.forward_packet(packet)

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None:
        self._sender.send_packet(payload, now_s=now_s, samples=samples)

    def stats(self) -> LegStats:
        self.settle()
        path = selected_path(self._transport.transport)
        return leg_stats(self._receiver, self._sender, path=path)

    async def aclose(self) -> None:
        self._closed = True
        self.detour()
        self._ice.listen(None, None)
        self._receiver.on_packet = _unheard
        await self._connection.close()

    def _transport_changed(self) -> None:
        """With the keys of the connection its RTP packets take the short way."""
        self.detour()
        if self._transport.state != "connected":
            self._ice.listen(None, None)
            return
        self._receiver.srtp = self._transport._rx_srtp._srtp[0]
        self._receiver.lane = next(iter(self._ice.lanes), None)
        self._ice.listen(self._receiver.receive_srtp, self._sender.reports.receive_srtcp)

    def _state_changed(self) -> None:
        if not self._closed:
            self._on_state(self, self.state)


def _unheard(packet: MicPacket) -> None:
    """What still comes while a connection is being closed."""


def _is_for_audio(offer: AudioOffer, mid: str | None, index: int | None) -> bool:
    if mid is not None:
        return mid in offer.mids
    return index is None or index == offer.audio_index or len(offer.mids) > 1
