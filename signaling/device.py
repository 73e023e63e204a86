"""`/ws/device/`: a claimed device, proved by its key."""

import secrets
from typing import Any

from announcements.services import deliveries_push_pending
from calls.network.ice import ice_servers
from calls.pushes import call_state_message
from calls.refusals import refusals
from calls.selectors import call_live_for_device
from calls.services import call_invitation
from common.clock import now
from common.push import group_device
from devices.gate import Who
from devices.identity.certificates import authority_get
from devices.identity.keys import device_epoch, device_key_is_wanted
from devices.identity.login import (
    answer_proof,
    hub_proof,
    login_lost,
    login_prove,
    login_unknown,
)
from devices.life.transfers import transfer_code
from devices.models import Device
from devices.presence import presence_connect, presence_disconnect, presence_touch
from devices.services import device_settings
from protocol.base import Message
from protocol.certificates import KeyWanted
from protocol.errors import CloseCode, ErrorCode
from protocol.identity import HubWord
from protocol.messages.calls import CallState
from protocol.messages.connection import WebrtcAnswer
from protocol.messages.household import Unclaimed, Unknown
from protocol.messages.socket import Challenge, DeviceHello, Error, HelloAck
from protocol.messages.unions import parse_device, parse_from_hub
from signaling import device_handlers
from signaling.access_table import DEVICE
from signaling.claimed import DeviceSocket
from signaling.limits import DEVICE_IDLE_S


class DeviceConsumer(DeviceSocket):
    """Challenge, proof, then calls and announcements."""

    idle_s = DEVICE_IDLE_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._nonce = secrets.token_urlsafe(32)
        self._device_nonce: str | None = None
        self._unclaimed = Unclaimed(reason="The device was removed from its home.")

    def parse(self, text: str) -> Message:
        return parse_device(text)

    async def connect(self) -> None:
        await super().connect()
        await self.reply(Challenge(nonce=self._nonce, hub_id=authority_get().hub_id))

    async def handle(self, message: Message) -> None:
        if isinstance(message, DeviceHello):
            await self._hello(message)
        elif self.device is None:
            await self.refuse(ErrorCode.NOT_SIGNED_IN, "Say hello first.", message.id)
        elif DEVICE.get(type(message)) is not Who.DEVICE:
            await self.refuse(ErrorCode.NOT_ALLOWED, "A device may not do that.", message.id)
        else:
            await device_handlers.HANDLERS[type(message)](self, message)

    async def heard(self) -> None:
        if self.device is None:
            return
        if not await self.query(presence_touch, device=self.device, channel_name=self.channel_name):
            # Another socket took over, the sweep gave this one up, or the device was removed.
            await self.look_again()
            await self.close(CloseCode.REPLACED)

    async def look_again(self) -> None:
        if self.device is None:
            return
        epoch = await self.query(device_epoch, device=self.device)
        if epoch is None:
            await self._unclaim(self.device)
        elif epoch != self.device.claim_epoch:
            last = Error(code=ErrorCode.NOT_SIGNED_IN, message="This device has another key now.")
            await self.turn_out(last, CloseCode.REPLACED)

    async def left(self) -> None:
        if self.device is not None:
            await self.query(presence_disconnect, device=self.device, channel_name=self.channel_name)
            await self.leave(group_device(self.device.public_id))

    async def push_message(self, event: dict[str, Any]) -> None:
        message = parse_from_hub(event["text"], to_device=True)
        if isinstance(message, Unclaimed):
            # It makes the device forget its home, so the row has to say it, too.
            self._unclaimed = message
            self._recheck.ask()
        elif isinstance(message, WebrtcAnswer):
            await self._answer(message)
        else:
            await super().push_message(event)

    async def _answer(self, answer: WebrtcAnswer) -> None:
        offer = self.offer_of(answer)
        if self.device is not None and offer is not None and offer.call_id == answer.call_id:
            proof = answer_proof(device=self.device, answer=answer, offer=offer)
            answer = answer.model_copy(update={"proof": proof})
        await self.reply(answer)

    async def refused(self, event: Any) -> None:
        await refusals.note(event, device=self.device)

    # --- hello -------------------------------------------------------------------------------

    async def _hello(self, message: DeviceHello) -> None:
        nonce, self._nonce = self._nonce, ""  # each nonce is good for one try
        device = await self.query(login_prove, hello=message, nonce=nonce)
        if self._is_out:  # it took so long that the device was sent away: the next socket has the presence
            return
        if device is None:
            await self._not_known(message)
            return
        self._device_nonce = message.nonce
        if device.revoked_at:
            await self._unclaim(device)
            return
        await self._welcome(device, message)

    async def _not_known(self, message: DeviceHello) -> None:
        if removed := await self.query(login_lost, hello=message):
            await self._tell_removed(removed, nonce=message.nonce)
            return
        if await self.query(login_unknown, hello=message):
            proof = hub_proof(word=HubWord.UNKNOWN, device_id=message.device_id, nonce=message.nonce)
            await self.reply(Unknown(proof=proof))
        await self.refuse(ErrorCode.NOT_SIGNED_IN, "This device is not known here.", message.id)
        await self.close(CloseCode.NOT_SIGNED_IN)

    async def _unclaim(self, device: Device) -> None:
        """It has proved who it is: where another home took it over, it hears how to come there."""
        code = await self.query(transfer_code, device=device)
        await self._tell_removed(device, nonce=self._device_nonce, code=code)

    async def _tell_removed(self, device: Device, *, nonce: str | None, code: str | None = None) -> None:
        proof = hub_proof(word=HubWord.UNCLAIMED, device_id=device.public_id, nonce=nonce)
        last = self._unclaimed.model_copy(update={"proof": proof, "transfer_code": code})
        await self.turn_out(last, CloseCode.REVOKED)

    async def _welcome(self, device: Device, message: DeviceHello) -> None:
        self.device, self.household = device, device.household
        await self.enter(group_device(device.public_id))
        await self.query(
            presence_connect,
            device=device,
            channel_name=self.channel_name,
            agent_version=message.agent_version[:40],
        )
        ack = HelloAck(
            household_id=device.household.public_id,
            household_name=device.household.name,
            voices=[],
            ice_servers=ice_servers(device.public_id),
            device_name=device.name,
            hub_time=now(),
            proof=hub_proof(word=HubWord.WELCOME, device_id=device.public_id, nonce=message.nonce),
        )
        await self.reply(ack, message)
        await self.reply(device_settings(device))
        await self.catch_up()

    async def catch_up(self) -> None:
        await self.make_sure()
        if self.device is None or self._is_out:
            return
        # A push may have been lost while the device was away: the row says what goes on.
        if call := await self.query(call_live_for_device, self.device):
            is_new = call.state in (CallState.CALLING, CallState.RINGING)
            await self.reply(await self.query(call_invitation if is_new else call_state_message, call))
        elif told := self.call_told():
            leg = await self.leg(told)
            await self.tell_call(await self.query(call_state_message, leg.call))
        await self.query(deliveries_push_pending, device=self.device)
        if await self.query(device_key_is_wanted, device=self.device):
            await self.reply(KeyWanted())
