"""The answering half of a peer connection with one audio section: ICE, DTLS, and RTP both ways.

aiortc's RTCPeerConnection prints and parses three descriptions for an answer, makes a certificate for each
connection, and tells each change to listeners that tell others. Here its transports are put together directly.
The private names used below are those of aiortc 1.16; `tests/media/test_guard.py` fails when they change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiortc import RTCIceGatherer, RTCIceServer, RTCIceTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceParameters
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpSendParameters,
)

from media.connection import guard
from media.connection.certificate import shared_certificate
from media.connection.ice import SharedConnection, credentials
from media.connection.keyed import KeyedTransport, Keys
from media.connection.rtp import PacketHandler, PacketReceiver, PacketSender
from media.connection.sdp import AudioAnswer, AudioOffer, write_answer
from media.supervise import log_failure
from protocol.audio import SAMPLE_RATE_HZ
from protocol.messages.connection import IceServer

_CONNECTING_ENDS_S: Final = 1.0  # one turn of the ICE checks takes 20 ms


class AnsweringConnection:
    """Answers once. `state` is the W3C's RTCPeerConnectionState without "disconnected"; `on_state` hears of changes.

    `keys` is asked as soon as there is an offer, while ICE looks for a way, and may take its time: nothing is
    encrypted before it has answered.
    """

    def __init__(
        self,
        *,
        ice_servers: Sequence[IceServer],
        on_packet: PacketHandler,
        on_state: Callable[[], None],
        keys: Callable[[], Awaitable[Keys]],
    ) -> None:
        username, password = credentials()
        gatherer = RTCIceGatherer(
            iceServers=[
                RTCIceServer(urls=server.urls, username=server.username, credential=server.credential)
                for server in ice_servers
            ],
            local_username=username,
            local_password=password,
        )
        self.ice = SharedConnection.take_over(gatherer._connection)
        self.ice_transport = RTCIceTransport(gatherer)
        self._certificate = shared_certificate()
        self.dtls = KeyedTransport(self.ice_transport, [self._certificate])
        self.receiver = PacketReceiver(self.dtls, on_packet)
        self.sender = PacketSender(self.dtls, self.receiver)
        self.state = "new"
        self._on_state, self._keys = on_state, keys
        self._asking: asyncio.Task[Keys] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        for transport in (self.ice_transport, self.dtls):
            transport.on("statechange", self._changed)

    async def answer(self, offer: AudioOffer) -> str:
        """The answer with all candidates; then it connects by itself. May wait seconds for a STUN or TURN server."""
        is_client = offer.setup != "active"
        self.dtls._set_role("client" if is_client else "server")
        self.ice.ice_controlling = offer.is_lite
        await self.ice.gather_candidates()
        if self._closing is None:
            self._asking = asyncio.create_task(self._ask_keys(), name="media.ask_keys")
            self._connecting = asyncio.create_task(self._connect(offer, self._asking), name="media.connect")
        answer = AudioAnswer(
            ufrag=self.ice.local_username,
            password=self.ice.local_password,
            fingerprint=self._certificate.fingerprint,
            is_dtls_client=is_client,
            ssrc=self.sender._ssrc,
            cname=self.sender.cname,
            candidates=self.ice.local_candidates,
        )
        return write_answer(offer, answer)

    async def close(self) -> None:
        """The second caller waits for the first."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="media.close_connection")
        await asyncio.shield(self._closing)

    async def _ask_keys(self) -> Keys:
        return await self._keys()

    async def _connect(self, offer: AudioOffer, asking: "asyncio.Task[Keys]") -> None:
        fingerprint = RTCDtlsFingerprint(algorithm="sha-256", value=offer.fingerprint)
        try:
            if self._closing is None:
                await self.ice_transport.start(
                    RTCIceParameters(
                        usernameFragment=offer.ufrag, password=offer.password, iceLite=offer.is_lite
                    )
                )
            if self.ice_transport.state == "completed":
                self.dtls.keys = await asking
                await self.dtls.start(RTCDtlsParameters(fingerprints=[fingerprint]))
            if self.dtls.state == "connected":
                self._start(offer)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task; a leg that stays silent is given up
            log_failure("connecting_failed", error)

    def _start(self, offer: AudioOffer) -> None:
        codecs = [
            RTCRtpCodecParameters(
                mimeType="audio/opus",
                clockRate=SAMPLE_RATE_HZ,
                channels=2,
                payloadType=offer.payload_type,
            )
        ]
        extensions = [RTCRtpHeaderExtensionParameters(id=number, uri=uri) for number, uri in offer.extensions]
        if offer.is_listening:
            sends = RTCRtpSendParameters(codecs=codecs, headerExtensions=extensions, muxId=offer.mid)
            self.sender.start(sends)
        if offer.is_heard:
            hears = RTCRtpReceiveParameters(codecs=codecs, headerExtensions=extensions, muxId=offer.mid)
            if offer.ssrc is not None:
                hears.encodings = [RTCRtpDecodingParameters(ssrc=offer.ssrc, payloadType=offer.payload_type)]
            self.receiver.start(hears)

    async def _close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        self.receiver.stop()
        self.sender.stop()
        await self.dtls.stop()
        await self.ice_transport.stop()
        self._changed()
        self.dtls.remove_all_listeners()
        if self._connecting is not None:
            await asyncio.wait({self._connecting}, timeout=_CONNECTING_ENDS_S)
        await guard.end_consent(self.ice_transport)
        if self._connecting is None or self._connecting.done():
            # OpenSSL's buffers: the objects around it are a circle, and wait for the garbage collector.
            self.dtls._ssl = None

    def _changed(self) -> None:
        ice, dtls = self.ice_transport.state, self.dtls.state
        is_consent_gone = self.ice._closing  # by itself (RFC 7675)
        if self._closing is not None:
            state = "closed" if ice == "closed" and self.state != "failed" else self.state
        elif "failed" in (ice, dtls) or is_consent_gone:
            state = "failed"
        elif dtls in ("connected", "closed") and ice == "completed":
            state = "connected"
        else:
            state = "new" if ice == "new" else "connecting"
        if state != self.state:
            self.state = state
            self._on_state()
        has_ended = dtls == "closed" or self.dtls.is_other  # the other side hung up, or consent ran out
        if has_ended and self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="media.close_connection")
