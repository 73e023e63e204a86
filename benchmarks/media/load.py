"""Cheap callers: connected by aiortc, then raw SRTP packets of 20 ms Opus, each timed by the kernel on arrival.

All packets of a run are encrypted before it begins, and arrivals are told apart by their header alone, so that the
generator takes little of its core and its own business does not count as delay.
"""

import asyncio
import os
import random
import secrets
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription

from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from sound.opus import OpusEncoder

FRAME_S: Final = 0.02
CONNECT_S: Final = 20.0
_SETTLE_S: Final = 0.5  # after the last packet of a run
_LONGEST_NAP_S: Final = 0.01
_GREETING_S: Final = 0.3
_PROBES: Final = 10
_PROBE_LOOKS: Final = 50
_PROBE_LOOK_S: Final = 0.01
_OTHERS_TURN_S: Final = 0.05  # ICE, DTLS and RTCP of all callers
_TIMESTAMPNS: Final = 35  # SO_TIMESTAMPNS, which is the type of its control message too (socket(7))
_HEADER: Final = struct.Struct("!BBHII")


def voice(packets: int) -> list[bytes]:
    """Opus packets of something that is not silence: a tone that glides, in noise."""
    rng = np.random.default_rng(7)
    encoder = OpusEncoder()
    count = (packets + 3) * FRAME_SAMPLES
    hz = np.linspace(200, 900, count)
    wave = 6000 * np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ) + rng.normal(0, 800, count)
    frames = wave.astype(np.int16).reshape(-1, FRAME_SAMPLES)
    return [payload for frame in frames if (payload := encoder.encode(frame))][:packets]


class Caller:
    """One end of a call."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection()
        self.connection.addTransceiver("audio", direction="sendrecv")
        self._number = secrets.randbits(14)  # far from 65535, so that SRTP's roll-over counter stays 0
        self._timestamp = secrets.randbits(31)
        self.sockets: dict[int, tuple[socket.socket, Any]] = {}  # with aioice's protocol, by descriptor
        self.payload_type = 0

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return str(self.connection.localDescription.sdp)

    async def connected(self) -> None:
        """Wait for DTLS, then take the socket from asyncio. Raises TimeoutError."""
        async with asyncio.timeout(CONNECT_S):
            while self.connection.connectionState != "connected":  # noqa: ASYNC110 - aiortc has no event for it
                await asyncio.sleep(0.01)
            transceiver: Any = self.connection.getTransceivers()[0]
            sender = transceiver.sender
            await sender._RTCRtpSender__rtp_started.wait()
        sender._RTCRtpSender__rtp_task.cancel()  # it would look for a track 50 times a second
        self.dtls = sender.transport
        connection = self.dtls.transport._connection
        for protocol in connection._protocols:
            sock = _taken(protocol.transport)
            self.sockets[sock.fileno()] = sock, protocol
            if protocol is connection._nominated[1].protocol:
                self._way_out = sock
        self.address = connection._nominated[1].remote_addr
        self.listen()
        self.payload_type = transceiver._codecs[0].payloadType
        self.ssrc = sender._ssrc

    def listen(self) -> None:
        """Answer ICE and RTCP, and forget what is heard."""
        for fd in self.sockets:
            asyncio.get_running_loop().add_reader(fd, self.read, fd, [])

    def packets(self, payloads: list[bytes]) -> list[tuple[int, bytes]]:
        """(sequence number, encrypted packet) for each payload."""
        made = []
        for payload in payloads:
            number = self._number = (self._number + 1) & 0xFFFF
            self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFF_FFFF
            header = _HEADER.pack(0x80, self.payload_type, number, self._timestamp, self.ssrc)
            made.append((number, self.dtls._tx_srtp.protect(header + payload)))
        return made

    def send(self, packet: bytes) -> None:
        self._way_out.sendto(packet, self.address)

    def read(self, fd: int, arrivals: list[tuple[int, int]]) -> None:
        """Everything that waits: RTP as (sequence number, time in ns) to `arrivals`, the rest to aiortc."""
        waiting, protocol = self.sockets[fd]
        while True:
            try:
                data, control, _, address = waiting.recvmsg(2048, 64)
            except BlockingIOError:
                return
            if len(data) > 12 and 127 < data[0] < 192 and not 64 <= data[1] & 0x7F < 96:
                seconds, nanoseconds = struct.unpack("qq", control[0][2])
                arrivals.append(((data[2] << 8) | data[3], seconds * 1_000_000_000 + nanoseconds))
            else:
                protocol.datagram_received(data, address)

    async def close(self) -> None:
        for fd, (sock, _) in self.sockets.items():
            asyncio.get_running_loop().remove_reader(fd)
            sock.close()
        await self.connection.close()


def _taken(transport: Any) -> socket.socket:
    """The socket of an asyncio transport, which reads it no more; each packet comes with its time."""
    fd = transport.get_extra_info("socket").fileno()
    loop: Any = asyncio.get_running_loop()
    loop._remove_reader(fd)
    sock = socket.socket(fileno=os.dup(fd))
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
    return sock


@dataclass
class Heard:
    """What one caller got of the other's packets: delays in seconds, and how many never came."""

    delays_s: list[float] = field(default_factory=list)
    sent: int = 0

    @property
    def late(self) -> int:
        """Later than 20 ms, or lost."""
        return self.sent - sum(delay < FRAME_S for delay in self.delays_s)


@dataclass
class _Line:
    """One direction: from a caller to another."""

    sender: Caller
    receiver: Caller
    offset: int = 0  # what the server adds to sequence numbers
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    sent_ns: dict[int, int] = field(default_factory=dict)


class Load:
    """Pairs of connected callers that speak to each other."""

    def __init__(self, pairs: list[tuple[Caller, Caller]]) -> None:
        lines = [(a, b) for a, b in pairs] + [(b, a) for a, b in pairs]
        self._lines = [_Line(sender, receiver) for sender, receiver in lines]
        self._arrivals: dict[int, list[tuple[int, int]]] = {}
        self._readers: dict[int, Caller] = {}
        self._epoll, self._loop = select.epoll(), asyncio.get_running_loop()
        for line in self._lines:
            self._arrivals[id(line.receiver)] = []
            for fd in line.receiver.sockets:
                self._readers[fd] = line.receiver
                self._epoll.register(fd, select.EPOLLIN)
                self._loop.remove_reader(fd)
        self._loop.add_reader(self._epoll.fileno(), self._read)  # between runs
        self._voice = voice(50)

    def close(self) -> None:
        """The callers read for themselves again."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        for caller in {id(line.receiver): line.receiver for line in self._lines}.values():
            caller.listen()

    async def probe(self) -> None:
        """One packet at a time through every line: it opens the recordings and shows the server's numbers.

        Raises TimeoutError where nothing comes through.
        """
        await self.greet()
        for line in self._lines:
            await self._probe(line)

    async def greet(self) -> None:
        """The first packet of each: it makes the server listen, and its recordings begin."""
        for line in self._lines:
            self._send(line, *line.sender.packets(self._voice[:1])[0])
        await self._read_for(_GREETING_S)

    async def _probe(self, line: _Line) -> None:
        arrivals = self._arrivals[id(line.receiver)]
        for _ in range(_PROBES):
            arrivals.clear()
            number, packet = line.sender.packets(self._voice[:1])[0]
            self._send(line, number, packet)
            for _ in range(_PROBE_LOOKS):
                await self._read_for(_PROBE_LOOK_S)
                if arrivals:
                    break
            if len(arrivals) == 1:
                line.offset = arrivals[0][0] - number
                return
        raise TimeoutError("a caller's packets do not reach the other end")

    async def run(self, seconds: float) -> list[Heard]:
        """All callers speak for so long, each at a phase of its own. One result per direction."""
        count = round(seconds / FRAME_S)
        payloads = [self._voice[n % len(self._voice)] for n in range(count)]
        for line in self._lines:
            line.packets = line.sender.packets(payloads)
            line.sent_ns.clear()
            self._arrivals[id(line.receiver)].clear()
        await self._speak(count)
        await self._read_for(_SETTLE_S)
        return [self._heard(line) for line in self._lines]

    async def _speak(self, count: int) -> None:
        phases = sorted(((random.random() * FRAME_S, line) for line in self._lines), key=lambda pair: pair[0])
        begun_s = turn_s = time.monotonic() + 0.05
        for n in range(count):
            for phase, line in phases:
                due_s = begun_s + n * FRAME_S + phase
                while (now_s := time.monotonic()) < due_s:
                    time.sleep(min(due_s - now_s, _LONGEST_NAP_S))  # noqa: ASYNC251 - the loop has its turn below
                    self._read()
                self._send(line, *line.packets[n])
                if now_s > turn_s:
                    turn_s = now_s + _OTHERS_TURN_S
                    await asyncio.sleep(0)

    async def _read_for(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._read()
            await asyncio.sleep(0.002)

    def _read(self) -> None:
        for fd, _ in self._epoll.poll(0):
            caller = self._readers[fd]
            caller.read(fd, self._arrivals[id(caller)])

    def _send(self, line: _Line, number: int, packet: bytes) -> None:
        line.sent_ns[number] = time.time_ns()
        line.sender.send(packet)

    def _heard(self, line: _Line) -> Heard:
        heard = Heard(sent=len(line.packets))
        waited = dict(line.sent_ns)
        for number, arrived_ns in self._arrivals[id(line.receiver)]:
            if (sent_ns := waited.pop((number - line.offset) & 0xFFFF, None)) is not None:
                heard.delays_s.append((arrived_ns - sent_ns) / 1e9)
        return heard
