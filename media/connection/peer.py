"""One peer connection: answers one offer, hands over microphone packets, sends what it is given."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from media.connection import guard
from media.connection.answering import AnsweringConnection
from media.connection.candidates import AddressPolicy, RemoteCandidates
from media.connection.keyed import Keys
from media.connection.path import selected_path
from media.connection.ports import ports
from media.connection.routes import Way
from media.connection.rtp import PacketSender
from media.connection.sdp import AudioOffer, read_candidate, read_offer
from media.packets import MicPacket
from media.stats import LegStats, leg_stats
from media.supervise import Supervisor
from protocol.messages.connection import IceServer
from protocol.rtcp import CALL_OVER


class Peer:
    """Answers an offer once. `on_packet` gets every Opus packet of its microphone, from the loop's thread.

    `is_dtls_server`: aiortc's DTLS client knows no RSA certificates, such as GStreamer's; its server takes them.
    `on_state` is called with the state of the connection: connecting, connected, failed, closed. `way` says now and
    then whether those packets do nothing but pass; while they do, `on_packet` may not hear of them. `keys` says which
    keys the other side may have.
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
        keys: Callable[[], Awaitable[Keys]],
        is_dtls_server: bool = False,
    ) -> None:
        guard.install()
        self._on_state = on_state
        self._connection = AnsweringConnection(
            ice_servers=ice_servers,
            on_packet=partial(on_packet, self),
            on_state=self._state_changed,
            keys=keys,
        )
        self._ice, self._transport = self._connection.ice, self._connection.dtls
        self._candidates = RemoteCandidates(self._ice, policy=addresses, tasks=tasks)
        self._receiver, self._sender = self._connection.receiver, self._connection.sender
        self._receiver.way, self._receiver.routes = partial(way, self), ports().routes
        self._ice.on_detour(self.detour)
        self._transport.on("statechange", self._transport_changed)
        self._offer: AudioOffer | None = None
        self._is_dtls_server = is_dtls_server
        self._closed = False
        self.created_at_s = time.monotonic()

    @property
    def state(self) -> str:
        return self._connection.state

    @property
    def is_refused(self) -> bool:
        """Its key is not one that the other side may have."""
        return self._connection.dtls.is_refused

    @property
    def last_rtp_at_s(self) -> float | None:
        return self._receiver.heard_at_s

    @property
    def has_microphone(self) -> bool:
        """False where the other side only listens."""
        return self._offer is None or self._offer.is_heard

    @property
    def packets_received(self) -> int:
        """All that came over the secured connection, RTCP too."""
        transport: Any = self._transport
        return int(transport._RTCDtlsTransport__rx_packets) + self._receiver.packets_received

    async def answer(self, sdp: str) -> str:
        """The answer to a complete or a trickling offer. Raises BadSdpError.

        May take seconds where a STUN or TURN server does not reply.
        """
        offer = read_offer(sdp, wants_client=self._is_dtls_server)
        answer = await self._connection.answer(offer)
        self._offer = offer
        for candidate in offer.candidates:
            self.add_candidate(candidate, mid=offer.mid, index=None)
        if offer.candidates_complete:
            self.add_candidate(None, mid=None, index=None)
        return answer

    def add_candidate(self, text: str | None, *, mid: str | None, index: int | None) -> None:
        """A trickled candidate; None ends them. Raises BadSdpError. Those of refused sections are ignored."""
        offer = self._offer
        if offer is None or self._closed:
            return
        if text is None or text == "":
            if mid is None or mid in offer.mids:
                self._candidates.end()
        elif _is_for_audio(offer, mid, index):
            self._candidates.take(read_candidate(text))

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
        path = selected_path(self._ice)
        return leg_stats(self._receiver, self._sender, path=path)

    def call_is_over(self) -> None:
        """What the other side hears when this is closed."""
        self._sender.reports.reason = CALL_OVER

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
