"""One leg: a participant's peer connection, or two of them while one takes the other's place."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from media.connection.candidates import AddressPolicy
from media.connection.keyed import Keys
from media.connection.peer import Peer
from media.connection.routes import Way
from media.connection.rtp import PacketSender
from media.door import LegState
from media.packets import MicPacket
from media.recording.recorder import Recorder
from media.sound.callmixer import CallMixer
from media.sound.echo import LegEchoCanceller
from media.sound.tracks import OutgoingTrack
from media.stats import LegStats
from media.supervise import Supervisor
from protocol.messages.calls import HUNG_UP, LOST_FOR_GOOD
from protocol.messages.connection import IceServer

_RTCP_LEAD_S: Final = 1.0
KEY_REFUSED: Final = "The device has another key than the one that it was claimed with."


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a leg may be silent. Without microphone packets a connection is known by its RTCP alone,
    which a browser sends every five seconds (RFC 3550 section 6.2)."""

    lost_after_s: float = 2.0
    quiet_after_s: float = 8.0
    closed_after_s: float = 45.0  # a link that was gone for 30 s may take some more to come back
    overlap_s: float = (
        2.0  # how long the connection that was replaced goes on, so that the other end can change
    )


class LegEvents(Protocol):
    """Who is told about a leg. All calls come on the loop and must not wait."""

    def leg_changed(self, leg: "Leg", state: LegState, reason: str) -> None: ...

    def leg_gone(self, leg: "Leg", reason: str) -> None: ...

    def leg_spoke(self, leg: "Leg", packet: MicPacket) -> None: ...

    def only_listener(self, leg: "Leg") -> "Leg | None":
        """Who hears this leg as it is, where that is all that becomes of its packets."""
        ...

    async def keys_of(self, leg: "Leg") -> Keys:
        """Which keys its connections may have; may wait for the hub. The exception: this one does."""
        ...

    def leg_refused(self, leg: "Leg") -> None:
        """A connection was closed because of its key."""
        ...


class Leg:
    """Knows its connections, its state, what it hears and where its microphone is kept."""

    def __init__(
        self,
        *,
        leg_id: UUID,
        call_id: UUID | None,
        participant_id: UUID | None,
        events: LegEvents,
        tasks: Supervisor,
        limits: Limits,
        is_standing: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.leg_id, self.call_id, self.participant_id = leg_id, call_id, participant_id
        self.is_standing = is_standing
        self._events, self._tasks, self._limits, self._clock = events, tasks, limits, clock
        self._peer: Peer | None = None
        self._next_peer: Peer | None = None
        self._replaced: dict[Peer, float] = {}  # still listened at; monotonic time of the end
        self._packets_seen = 0
        self._alive_at_s = clock()
        self._opened_at_s = clock()
        self.track = self._own_track()
        self.echo: LegEchoCanceller | None = None
        self._recording: Recorder | None = None
        self._capture: Recorder | None = None
        self.state: LegState | None = None
        self.last_answer = ("", "")  # the newest request and its answer
        self.closed = False

    def leave_call(self) -> None:
        """A standing leg: it hears nothing more of the call, and waits for the next one."""
        self.detour()
        self.call_id = self.participant_id = None
        self.track.close()
        self.track = self._own_track()

    def _own_track(self) -> OutgoingTrack:
        mixer = CallMixer(self._tasks)  # of a leg without a call; a call has one for all
        track = OutgoingTrack(self, wake=mixer.wake)
        mixer.add(self.leg_id, track)
        return track

    # Connections

    async def answer(self, sdp: str, ice_servers: list[IceServer], addresses: AddressPolicy) -> str:
        """Answer an offer with a new peer connection. Raises BadSdpError; then the old connection stays."""
        peer = Peer(
            ice_servers=ice_servers,
            addresses=addresses,
            tasks=self._tasks,
            on_packet=self._packet_came,
            on_state=self._state_changed,
            way=self._way,
            keys=partial(self._events.keys_of, self),
            is_dtls_server=self.is_standing,
        )
        try:
            answer = await peer.answer(sdp)
        except BaseException:
            await peer.aclose()
            raise
        if self.closed:
            await peer.aclose()
            return answer
        self._opened_at_s = self._clock()
        if self._peer is None:
            self._peer = peer
            self._alive_at_s = self._clock()
        else:
            self.detour()
            replaced, self._next_peer = self._next_peer, peer
            self._let_go(replaced)
        return answer

    def add_candidate(self, text: str | None, *, mid: str | None, index: int | None) -> None:
        """For the newest offer. Raises BadSdpError."""
        peer = self._next_peer or self._peer
        if peer is not None:
            peer.add_candidate(text, mid=mid, index=index)

    def forward(self, packet: MicPacket) -> None:
        for peer in (self._peer, self._next_peer, *self._replaced):
            if peer is not None:
                peer.forward(packet)

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None:
        for peer in (self._peer, self._next_peer, *self._replaced):
            if peer is not None:
                peer.send(payload, now_s=now_s, samples=samples)

    @property
    def fraction_lost(self) -> float | None:
        return self.stats().fraction_lost

    def stats(self) -> LegStats:
        stats = self._peer.stats() if self._peer is not None else LegStats()
        if self.echo is None or not self.echo.is_active:
            return stats
        return replace(stats, echo_return_loss_enhancement=self.echo.echo_return_loss_enhancement)

    # What becomes of its packets

    @property
    def recording(self) -> Recorder | None:
        return self._recording

    @recording.setter
    def recording(self, recorder: Recorder | None) -> None:
        if recorder is not self._recording:
            self.detour()
            self._recording = recorder

    @property
    def capture(self) -> Recorder | None:
        return self._capture

    @capture.setter
    def capture(self, recorder: Recorder | None) -> None:
        if recorder is not self._capture:
            self.detour()
            self._capture = recorder

    def detour(self) -> None:
        """No packet passes from here or to here without this knowing of it, until a route is opened again."""
        for peer in (self._peer, self._next_peer, *self._replaced):
            if peer is not None:
                peer.detour()

    def _way(self, peer: Peer) -> Way | None:
        """Where the packets of this connection go, while nothing but that and the recording becomes of them."""
        if self.closed or peer is not self._peer or self.state is None or self._capture is not None:
            return None
        listener = self._events.only_listener(self)
        sender = None if listener is None else listener.only_sender
        if listener is None or sender is None:
            return None
        record = None if self._recording is None else self._recording.push
        return Way(sender=sender, record=record, forwarded=partial(listener.track.forwarded, self.leg_id))

    @property
    def only_sender(self) -> PacketSender | None:
        """That of its only connection."""
        is_one = self._next_peer is None and not self._replaced and not self.closed
        return self._peer.sender if self._peer is not None and is_one else None

    # State

    def check(self, now_s: float) -> None:
        """Look at the time of the last packet; called several times a second."""
        if self.closed or self._peer is None:
            return
        self._peer.settle()
        silent_s = now_s - self._last_sign(self._peer, now_s)
        if self.state is None:
            if now_s - self._opened_at_s > self._limits.closed_after_s:
                self._events.leg_gone(self, "no audio arrived")
        elif silent_s > self._limits.closed_after_s:
            self._events.leg_gone(self, LOST_FOR_GOOD)
        elif silent_s > self._allowed_s(self._peer) or self._peer.state == "failed":
            self._change(LegState.LOST)
        elif self.state is LegState.LOST:
            self._change(LegState.CONNECTED)
        if self._next_peer is not None and now_s - self._next_peer.created_at_s > self._limits.closed_after_s:
            self._peer_ended(self._next_peer, "failed")
        for replaced in [peer for peer, until_s in self._replaced.items() if now_s >= until_s]:
            self._part_with(replaced)
        for recorder in (self.recording, self.capture):
            if recorder is not None:
                recorder.tick(now_s)

    def call_is_over(self) -> None:
        """The other side hears that when the connections are closed."""
        for peer in (self._peer, self._next_peer, *self._replaced):
            if peer is not None:
                peer.call_is_over()

    async def aclose(self) -> None:
        """Close the connections. Recordings are the session's, a capture the worker's."""
        self.detour()
        self.closed = True
        self.track.close()
        for peer in (self._peer, self._next_peer, *self._replaced):
            if peer is not None:
                await peer.aclose()

    def _last_sign(self, peer: Peer, now_s: float) -> float:
        count = peer.packets_received
        if count != self._packets_seen:
            self._packets_seen, self._alive_at_s = count, now_s
        return max(self._alive_at_s, peer.last_rtp_at_s or 0.0)

    def _allowed_s(self, peer: Peer) -> float:
        speaks = self._alive_at_s - (peer.last_rtp_at_s or 0.0) < _RTCP_LEAD_S
        return self._limits.lost_after_s if speaks else self._limits.quiet_after_s

    def _packet_came(self, peer: Peer, packet: MicPacket) -> None:
        if self.closed:
            return
        if peer is self._next_peer:
            self._promote()
        elif peer is not self._peer:
            return
        if self.state is None:
            self._change(LegState.CONNECTED)
        if self.recording is not None:
            self.recording.push(packet)
        if self.capture is not None:
            self.capture.push(packet)
        self._events.leg_spoke(self, packet)

    def _state_changed(self, peer: Peer, state: str) -> None:
        if self.closed:
            return
        if state == "connected" and not peer.has_microphone:
            if peer is self._next_peer:
                self._promote()
            if self.state is None:
                self._change(LegState.CONNECTED)
        elif state in ("failed", "closed"):
            if peer.is_refused:
                self._events.leg_refused(self)
            self._peer_ended(peer, state)

    def _peer_ended(self, peer: Peer, state: str) -> None:
        if peer is self._next_peer:
            self._next_peer = None
            self._let_go(peer)
        elif peer in self._replaced:
            self._part_with(peer)
        elif peer is self._peer and self._next_peer is None:
            if self._replaced:
                self._go_back()
            else:
                self._last_peer_ended(peer, state)

    def _last_peer_ended(self, peer: Peer, state: str) -> None:
        if self.state is None and state == "failed":
            reason = KEY_REFUSED if peer.is_refused else "no way through the network"
            self._events.leg_gone(self, reason)
        elif self.state is not LegState.LOST and state == "closed":
            self._events.leg_gone(self, HUNG_UP)
        else:
            # The other end may come back with a new offer until `check` ends the leg.
            self._change(LegState.LOST)

    def _promote(self) -> None:
        self.detour()
        replaced, self._peer, self._next_peer = self._peer, self._next_peer, None
        self._packets_seen = 0
        if replaced is not None:
            for older in [*self._replaced]:
                self._part_with(older)
            # The other side changes over when it hears the new one; until then it listens at this one.
            self._replaced[replaced] = self._clock() + self._limits.overlap_s

    def _go_back(self) -> None:
        """The other side found its former connection working again, and let go of the new one."""
        self.detour()
        closed, self._peer = self._peer, list(self._replaced)[-1]
        del self._replaced[self._peer]
        self._packets_seen = 0
        self._let_go(closed)

    def _part_with(self, replaced: Peer) -> None:
        self.detour()
        self._replaced.pop(replaced, None)
        self._let_go(replaced)

    def _let_go(self, peer: Peer | None) -> None:
        if peer is not None:
            self._tasks.spawn(peer.aclose(), name="close_peer")

    def _change(self, state: LegState) -> None:
        if state is not self.state:
            self.state = state
            self._events.leg_changed(self, state, "")
