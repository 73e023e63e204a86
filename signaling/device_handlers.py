"""What each message of a device does: find its end of the call, call one service, answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from announcements.services import delivery_progress
from calls.ending.services import call_decline, call_end
from calls.pushes import call_state_message
from calls.quality.measurements import stats_of_end
from calls.services import call_accept, call_ring
from devices.identity.keys import certificate_request, certificate_used
from devices.identity.login import (
    device_answer_refused,
)
from devices.services import device_echo_measured
from protocol.base import Message
from protocol.certificates import CertificateInUse, CertificateRequest
from protocol.errors import ErrorCode
from protocol.messages.announcements import AnnounceProgress
from protocol.messages.calls import CallAccept, CallDecline, CallEnd, CallOutcome, CallRinging
from protocol.messages.connection import AnswerRefused, IceCandidate, IceServersRequest, WebrtcOffer
from protocol.messages.statistics import Stats
from signaling.claimed import DeviceSocket
from signaling.legs import leg_candidate, leg_ice, leg_offer


async def on_call_ringing(socket: DeviceSocket, message: CallRinging) -> None:
    leg = await socket.leg(message.call_id)
    await socket.query(call_ring, call=leg.call)


async def on_call_accept(socket: DeviceSocket, message: CallAccept) -> None:
    leg = await socket.leg(message.call_id)
    await socket.query(call_accept, call=leg.call)


async def on_call_decline(socket: DeviceSocket, message: CallDecline) -> None:
    leg = await socket.leg(message.call_id)
    await socket.query(call_decline, call=leg.call, outcome=CallOutcome(message.reason))


async def on_call_end(socket: DeviceSocket, message: CallEnd) -> None:
    leg = await socket.leg(message.call_id)
    await socket.query(call_end, call=leg.call, by=leg, reason=message.reason or "")


async def on_ice_servers_request(socket: DeviceSocket, message: IceServersRequest) -> None:
    if message.call_id is None:
        await socket.refuse(ErrorCode.BAD_MESSAGE, "A device makes connections for calls only.", message.id)
        return
    leg = await socket.leg(message.call_id)
    await socket.reply(leg_ice(leg, leg.public_id, leg.call.household), message)


async def on_webrtc_offer(socket: DeviceSocket, message: WebrtcOffer) -> None:
    if message.call_id is None:
        await socket.refuse(ErrorCode.BAD_MESSAGE, "A device makes offers for calls only.", message.id)
        return
    leg = await socket.leg(message.call_id)
    socket.loans.begin(leg.call)
    socket.offered(message)
    await leg_offer(
        message,
        leg=leg,
        leg_id=leg.public_id,
        household=leg.call.household,
        worker_id=leg.call.worker_id,
        channel=socket.channel_name,
    )


async def on_answer_refused(socket: DeviceSocket, message: AnswerRefused) -> None:
    """Only for a call of its own that goes on: the record is not for filling."""
    leg = await socket.leg(message.call_id)
    if leg.call.is_live:
        await socket.query(device_answer_refused, device=socket.device, call_id=leg.call.public_id)


async def on_ice_candidate(socket: DeviceSocket, message: IceCandidate) -> None:
    if message.call_id is not None:
        leg = await socket.leg(message.call_id)
        await leg_candidate(message, leg_id=leg.public_id, worker_id=leg.call.worker_id)


async def on_announce_progress(socket: DeviceSocket, message: AnnounceProgress) -> None:
    await socket.query(
        delivery_progress,
        device=socket.device,
        public_id=message.delivery_id,
        state=message.state,
        reason=message.reason or "",
    )


async def on_stats(socket: DeviceSocket, message: Stats) -> None:
    leg = await socket.leg(message.call_id)
    await socket.query(stats_of_end, leg=leg, stats=message)
    await socket.tell_call(await socket.query(call_state_message, leg.call))
    if (removed := message.echo_return_loss_enhancement) is not None:
        await socket.query(device_echo_measured, device=socket.device, echo_return_loss_enhancement=removed)


async def on_certificate_request(socket: DeviceSocket, message: CertificateRequest) -> None:
    answer = await socket.query(
        certificate_request, device=socket.device, csr_pem=message.csr_pem, proof=message.proof
    )
    await socket.reply(answer, message)


async def on_certificate_in_use(socket: DeviceSocket, message: CertificateInUse) -> None:
    await socket.query(certificate_used, device=socket.device, serial_number=message.serial_number)


HANDLERS: dict[type[Message], Callable[[DeviceSocket, Any], Awaitable[None]]] = {
    CallRinging: on_call_ringing,
    CallAccept: on_call_accept,
    CallDecline: on_call_decline,
    CallEnd: on_call_end,
    IceServersRequest: on_ice_servers_request,
    WebrtcOffer: on_webrtc_offer,
    IceCandidate: on_ice_candidate,
    AnswerRefused: on_answer_refused,
    AnnounceProgress: on_announce_progress,
    Stats: on_stats,
    CertificateRequest: on_certificate_request,
    CertificateInUse: on_certificate_in_use,
}
