"""One WebRTC connection of a call: the device offers, the hub's worker answers."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidStateError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from agent import downlink, guard, uplink
from agent.audio import Samples
from agent.errors import AgentError
from agent.guard import Heard
from agent.measuring import Counters, peak
from protocol.messages.connection import IceServer, IceTransportPolicy
from protocol.quality import StatsSample
from sound.receiver import VoiceReceiver

log = structlog.get_logger(__name__)

_CONNECTING_ENDS_S = 1.0  # one turn of the ICE checks takes 20 ms
_RTCP_LEAD_S = 1.0


class PeerError(AgentError):
    """The connection for the sound could not be made."""


@dataclass(frozen=True, kw_only=True)
class IceConfiguration:
    """At most one STUN and one TURN server, and whether only the relay may be used."""

    servers: Sequence[IceServer] = ()
    policy: IceTransportPolicy = IceTransportPolicy.ALL


class EnrolledPeerConnection(RTCPeerConnection):
    """With the hub's certificate for this device in DTLS: the claimed key encrypts the audio.

    Nothing of it outlives `close`, also where that comes while it connects, as in every renewal that is given up.
    """

    def __init__(
        self,
        configuration: RTCConfiguration,
        *,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
    ) -> None:
        super().__init__(configuration)
        # aiortc 1.16 has no public way to set it; a test compares the fingerprint in the offer.
        self._RTCPeerConnection__certificates = [RTCCertificate(key=key, cert=certificate)]
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
        except Exception as error:  # noqa: BLE001 - a task that nobody awaits: no connection comes, and another one is made
            log.debug("A connection could not be made.", error=type(error).__name__)


class Peer:
    """make_offer, accept_answer, wait_connected; then sound flows until close."""

    def __init__(
        self,
        *,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        ice: IceConfiguration,
        track: MediaStreamTrack,
        on_samples: Callable[["Peer", Samples], None],
    ) -> None:
        guard.install()
        servers = [
            RTCIceServer(urls=server.urls, username=server.username, credential=server.credential)
            for server in ice.servers
        ]
        # An empty list, never None: aiortc's default is a public STUN server.
        self._connection = EnrolledPeerConnection(
            RTCConfiguration(iceServers=servers, iceTransportPolicy=RTCIceTransportPolicy(ice.policy.value)),
            key=key,
            certificate=certificate,
        )
        self._track, self._on_samples = track, on_samples
        self._settled = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._voice = VoiceReceiver()  # of the receiver, once there is an offer
        self._gathering: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._heard: Heard | None = None
        self._counters, self._samples, self._level = Counters(), 0, 0.0
        self._connection.on("connectionstatechange", self._on_state)
        self._connection.on("track", self._on_track)

    @property
    def is_connected(self) -> bool:
        return self._connection.connectionState == "connected"

    @property
    def silent_s(self) -> float | None:
        """Seconds since the last packet of any kind; None while it is not connected, or not any more.

        aiortc never says `disconnected`, and `failed` only after half a minute.
        """
        if self._heard is None or not self.is_connected:
            return None
        return time.monotonic() - self._heard.packet_at_s

    @property
    def is_over(self) -> bool:
        """Whether the hub closed it because the call has ended."""
        return self._heard is not None and self._heard.is_over

    @property
    def has_sound(self) -> bool:
        """Whether sound came out of it yet."""
        return self._samples > 0

    @property
    def speaks(self) -> bool:
        """Whether the last packets were sound, and not the reports of RTCP alone."""
        return self._heard is not None and self._heard.packet_at_s - self._heard.rtp_at_s < _RTCP_LEAD_S

    async def make_offer(self) -> str:
        """A complete SDP offer: all candidates are in it."""
        transceiver = self._connection.addTransceiver(self._track, direction="sendrecv")
        self._voice = downlink.take_over(transceiver.receiver)
        uplink.take_over(transceiver.sender)
        codecs = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType.lower() == "audio/opus"])
        # aioice loses the sockets that it just opened when it is cancelled while it gathers; `close` waits for it.
        self._gathering = asyncio.create_task(self._gather(), name="gathering")
        await asyncio.shield(self._gathering)
        return self._connection.localDescription.sdp

    async def _gather(self) -> None:
        await self._connection.setLocalDescription(await self._connection.createOffer())

    async def accept_answer(self, sdp: str) -> None:
        """Raises PeerError."""
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
        except (ValueError, InvalidStateError, IndexError, AttributeError, KeyError) as error:
            raise PeerError("The hub's answer for the sound cannot be read.") from error

    async def wait_connected(self, timeout_s: float) -> None:
        """Raises PeerError when there is no way through in time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        if not self.is_connected:
            raise PeerError("No way for the sound to the hub was found.")

    async def measure(self) -> StatsSample:
        """The second that ends now."""
        reports = await self._connection.getStats()
        before, self._counters = self._counters, Counters.of(reports, voice=self._voice)
        level, self._level = self._level, 0.0
        return self._counters.since(before, audio_level=level)

    @property
    def path(self) -> tuple[str, str, str] | None:
        """Own and other candidate type, and the protocol, of the selected pair; no addresses."""
        for transceiver in self._connection.getTransceivers():
            # aiortc 1.16 has no candidate pair in its statistics; a test holds these names.
            pair = transceiver.receiver.transport.transport._connection._nominated.get(1)
            if pair is not None:
                local, remote = pair.local_candidate, pair.remote_candidate
                return local.type, remote.type, local.transport.lower()
        return None

    async def close(self) -> None:
        """The second caller waits for the first; one that is cancelled stops nothing half way, after which aiortc
        would wait for ever."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close connection")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._track.stop()
        if self._gathering is not None:
            await asyncio.gather(self._gathering, return_exceptions=True)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._connection.close()
        self._settled.set()

    def _on_state(self) -> None:
        log.debug("media connection", state=self._connection.connectionState)
        if self.is_connected:
            self._heard = guard.heard(self._connection.getTransceivers()[0].receiver.transport)
            self._heard.note(is_rtp=False)
        if self._connection.connectionState in ("connected", "failed", "closed"):
            self._settled.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._reader is None:
            self._reader = asyncio.create_task(
                downlink.play(self._voice, self._heard_samples), name="downlink"
            )

    def _heard_samples(self, samples: Samples) -> None:
        self._samples += len(samples)
        self._level = max(self._level, peak(samples))
        self._on_samples(self, samples)
