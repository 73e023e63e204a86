"""A network between a device and a worker, in one process: it can lose everything, and change its outer address."""

import asyncio
import re
from types import TracebackType
from typing import Any, Self

_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (?P<host>[\d.]+) (?P<port>\d+) typ host.*", re.IGNORECASE)
Address = tuple[str, int]


class Relay:
    """A NAT (RFC 4787). The device knows the front of each connection, the worker the back of it.

    `is_cut`: no packet passes. `rebind()`: the packets of the device come from other ports from now on, and what goes
    to the old ones is lost.
    """

    def __init__(self) -> None:
        self.is_cut = False
        self._ways: list[_Way] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for way in self._ways:
            way.close()

    def offer(self, sdp: str) -> str:
        """The device's offer as it reaches the worker: its own addresses are of no use out there."""
        return _without_candidates(sdp)

    async def answer(self, sdp: str) -> str:
        """The worker's answer as it reaches the device: one address, the front of this relay."""
        found = _CANDIDATE.search(sdp)
        if found is None:
            raise AssertionError("the worker named no address")
        way = _Way(self, (found["host"], int(found["port"])))
        self._ways.append(way)
        port = await way.open(found["host"])
        candidate = (
            f"a=candidate:1 1 udp 2130706431 {found['host']} {port} typ host\r\na=end-of-candidates\r\n"
        )
        return _without_candidates(sdp) + candidate

    async def rebind(self) -> None:
        for way in self._ways:
            await way.rebind()


class _Way:
    def __init__(self, relay: Relay, worker: Address) -> None:
        self._relay, self._worker = relay, worker
        self._device: Address | None = None
        self._front: asyncio.DatagramTransport
        self._back: asyncio.DatagramTransport

    async def open(self, host: str) -> int:
        self._host = host
        self._front = await _endpoint(host, self._from_device)
        self._back = await _endpoint(host, self._from_worker)
        port: int = self._front.get_extra_info("sockname")[1]
        return port

    async def rebind(self) -> None:
        self._back.close()
        self._back = await _endpoint(self._host, self._from_worker)

    def close(self) -> None:
        self._front.close()
        self._back.close()

    def _from_device(self, data: bytes, address: Address) -> None:
        self._device = address
        if not self._relay.is_cut:
            self._back.sendto(data, self._worker)

    def _from_worker(self, data: bytes, address: Address) -> None:
        if self._device is not None and not self._relay.is_cut:
            self._front.sendto(data, self._device)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, take: Any) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)


async def _endpoint(host: str, take: Any) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Receiver(take), local_addr=(host, 0))
    return transport


def _without_candidates(sdp: str) -> str:
    gone = ("a=candidate:", "a=end-of-candidates")
    return "".join(f"{line}\r\n" for line in sdp.splitlines() if not line.startswith(gone))
