"""The socket of a claimed device, as the handlers see it."""

from typing import Any
from uuid import UUID

from calls.access import access_device_leg
from calls.models import CallParticipant
from devices.models import Device
from protocol.messages.connection import WebrtcAnswer, WebrtcOffer
from signaling.socket import HubSocket

_OFFERS_KEPT = 8  # of which an answer may still come


class DeviceSocket(HubSocket):
    """Which device it is, once it has proved that, and what it offered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device: Device | None = None
        self._offers: dict[str, WebrtcOffer] = {}

    def offered(self, offer: WebrtcOffer) -> None:
        """What its answer will be signed for."""
        self._offers[offer.id or ""] = offer
        while len(self._offers) > _OFFERS_KEPT:
            del self._offers[next(iter(self._offers))]

    def offer_of(self, answer: WebrtcAnswer) -> WebrtcOffer | None:
        return self._offers.get(answer.reply_to or "")

    async def leg(self, call_id: UUID) -> CallParticipant:
        leg: CallParticipant = await self.query(access_device_leg, device=self.device, call_id=call_id)
        return leg
