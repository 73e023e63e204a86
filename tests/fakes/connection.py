"""aiortc's peer connection for the ends of calls in tests, without tasks that outlive `close`."""

import asyncio
from typing import Any, Final

from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection
from aiortc.rtcdtlstransport import generate_certificate
from cryptography.hazmat.primitives.asymmetric import ec

from media.connection.guard import end_consent

_CONNECTING_ENDS_S: Final = 1.0  # one turn of the ICE checks takes 20 ms


class PeerConnection(RTCPeerConnection):
    """aiortc does not keep the tasks in which it connects, and makes a key for each of these; `key` is a device's."""

    def __init__(
        self, configuration: RTCConfiguration, *, key: ec.EllipticCurvePrivateKey | None = None
    ) -> None:
        super().__init__(configuration)
        if key is not None:
            certificate = RTCCertificate(key=key, cert=generate_certificate(key))
            self._RTCPeerConnection__certificates = [certificate]
        self._connecting: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        await super().close()
        if self._connecting:
            await asyncio.wait(set(self._connecting), timeout=_CONNECTING_ENDS_S)
        for transceiver in self.getTransceivers():
            await end_consent(transceiver.receiver.transport.transport)

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802
        task = asyncio.current_task()
        if task is not None:
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        connect: Any = super()
        await connect._RTCPeerConnection__connect()
