"""What each message of a browser does: find the object, call one service, answer."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from announcements.clips import clip_request
from announcements.models import SpeechClip
from announcements.speech import voice_list
from announcements.tasks import clip_speak_task
from calls.access import access_user_leg
from calls.ending.carriers import carrier_hold, leg_carry
from calls.ending.services import call_end
from calls.models import Call, CallParticipant
from calls.pushes import call_state_message
from calls.quality.live import quality_get
from calls.quality.measurements import stats_of_end
from calls.selectors import call_live_list
from calls.services import call_start
from calls.workers.placement import worker_choose
from common.errors import Conflict, DeviceBusy, NotFound, Unavailable
from common.push import apush, group_worker
from common.tasks import delay_now
from devices.access import access_device
from devices.presence import presence_list
from devices.sharing.rights import need_right
from households.access import need
from households.models import Household, Membership
from households.roles import Permission, Role
from protocol.base import Message
from protocol.errors import ErrorCode
from protocol.messages.calls import (
    CallAccept,
    CallDecline,
    CallEnd,
    CallInvite,
    CallStateMessage,
)
from protocol.messages.connection import IceCandidate, IceServersRequest, WebrtcOffer
from protocol.messages.socket import Error
from protocol.messages.sound import MicStart, MicStop, Speak, Start, Stop
from protocol.messages.statistics import Stats
from protocol.worker import CaptureStart, CaptureStop, ToneStart, ToneStop
from signaling.access_table import OWN_CONNECTION
from signaling.legs import leg_candidate, leg_ice, leg_offer
from signaling.member import MemberSocket

Handler = Callable[[MemberSocket, Any], Awaitable[None]]


async def on_call_invite(socket: MemberSocket, message: CallInvite) -> None:
    def start(membership: Membership) -> tuple[Call, CallStateMessage]:
        device = access_device(membership=membership, public_id=message.device_id, need=Permission.CALL)
        call = call_start(
            membership=membership,
            device=device,
            invite_id=message.id or "",
            carried_by=socket.credential,
        )
        _carrier_hold(socket, membership)
        return call, call_state_message(call)

    try:
        call, answer = await socket.query(start, socket.membership)
        socket.loans.begin(call)
    except DeviceBusy as busy:
        answer = Error(code=busy.wire_code, message=busy.message, call_id=busy.call_id)
    await socket.reply(answer, message)


async def on_call_end(socket: MemberSocket, message: CallEnd) -> None:
    leg = await socket.query(access_user_leg, membership=socket.membership, call_id=message.call_id)
    await socket.query(
        call_end, call=leg.call, by=leg, reason=message.reason or "", ago_s=message.ago_s or 0.0
    )
    await socket.reply(await socket.query(call_state_message, leg.call), message)


async def on_call_answer(socket: MemberSocket, message: CallAccept | CallDecline) -> None:
    """Devices do not call people yet, so there is no call that a browser could accept."""
    await socket.query(access_user_leg, membership=socket.membership, call_id=message.call_id)
    raise Conflict("This call is not ringing here.", code=ErrorCode.CALL_ENDED)


async def on_ice_servers_request(socket: MemberSocket, message: IceServersRequest) -> None:
    leg = await _own_leg(socket, message.call_id)
    leg_id = leg.public_id if leg else socket.leg_id
    await socket.reply(leg_ice(leg, leg_id, await _household(socket, leg)), message)


async def on_webrtc_offer(socket: MemberSocket, message: WebrtcOffer) -> None:
    leg, leg_id, worker_id = await _leg(socket, message.call_id, make=True)
    if leg is not None:
        await socket.query(_carry, socket, leg, socket.member)
        socket.loans.begin(leg.call)
    await leg_offer(
        message,
        leg=leg,
        leg_id=leg_id,
        household=await _household(socket, leg),
        worker_id=worker_id,
        channel=socket.channel_name,
        of_guest=socket.membership is not None and socket.membership.role == Role.GUEST,
    )


async def on_ice_candidate(socket: MemberSocket, message: IceCandidate) -> None:
    _, leg_id, worker_id = await _leg(socket, message.call_id)
    await leg_candidate(message, leg_id=leg_id, worker_id=worker_id)


async def on_start(socket: MemberSocket, message: Start) -> None:
    voices = {voice.voice_id: voice for voice in await socket.query(voice_list)}
    if message.voice_id not in voices:
        raise NotFound("There is no such voice.")
    _, leg_id, worker_id = await _leg(socket, None)
    command = ToneStart(
        leg_id=leg_id,
        frequency_hz=voices[message.voice_id].tone_hz,
        reply_channel=socket.channel_name,
        request_id=message.id,
    )
    await apush(group_worker(worker_id), command)


async def on_stop(socket: MemberSocket, message: Stop) -> None:
    _, leg_id, worker_id = await _leg(socket, None)
    await apush(group_worker(worker_id), ToneStop(leg_id=leg_id))


async def on_speak(socket: MemberSocket, message: Speak) -> None:
    leg, leg_id, worker_id = await _leg(socket, message.call_id)

    def speak(membership: Membership) -> None:
        if leg is not None:
            need_right(membership, leg.call.device, Permission.CALL)
        clip: SpeechClip = clip_request(
            household=membership.household, text=message.text, voice_id=message.voice_id
        )
        if not delay_now(clip_speak_task, clip.pk, worker_id, str(leg_id), socket.channel_name, message.id):
            raise Unavailable("The hub cannot speak right now. Try again in a moment.")

    await socket.query(speak, socket.membership)


async def on_mic_start(socket: MemberSocket, message: MicStart) -> None:
    _, leg_id, worker_id = await _leg(socket, None)
    command = CaptureStart(leg_id=leg_id, reply_channel=socket.channel_name, request_id=message.id)
    await apush(group_worker(worker_id), command)


async def on_mic_stop(socket: MemberSocket, message: MicStop) -> None:
    _, leg_id, worker_id = await _leg(socket, None)
    command = CaptureStop(
        leg_id=leg_id,
        language=socket.household.language if socket.household else "",
        reply_channel=socket.channel_name,
        request_id=message.id,
    )
    await apush(group_worker(worker_id), command)


async def on_stats(socket: MemberSocket, message: Stats) -> None:
    """Only for a call of one's own."""

    def keep(membership: Membership) -> CallStateMessage:
        leg = access_user_leg(membership=membership, call_id=message.call_id)
        stats_of_end(leg=leg, stats=message)
        return call_state_message(leg.call)

    await socket.tell_call(await socket.query(keep, socket.membership))


def present_states(membership: Membership) -> list[Message]:
    """What a socket has to know that is new, or missed some pushes."""
    calls = list(call_live_list(membership))
    qualities = [quality for call in calls if (quality := quality_get(call)) is not None]
    return [*presence_list(membership), *(call_state_message(call) for call in calls), *qualities]


def _carry(socket: MemberSocket, leg: CallParticipant, membership: Membership) -> None:
    if socket.credential is not None:
        leg_carry(leg=leg, by=socket.credential)
        _carrier_hold(socket, membership)


def _carrier_hold(socket: MemberSocket, membership: Membership) -> None:
    if socket.credential is not None:
        carrier_hold(by=socket.credential, user=membership.user)


async def _household(socket: MemberSocket, leg: CallParticipant | None) -> Household:
    """As it is now: the socket may be hours old."""
    if leg is not None:
        return leg.call.household
    if socket.household is None:
        raise NotFound("There is no such home.")
    household: Household = await socket.query(Household.objects.get, pk=socket.household.pk)
    return household


async def _own_leg(socket: MemberSocket, call_id: UUID | None) -> CallParticipant | None:
    """None for the client's own connection. Raises NotFound; NotAllowed for whom the hub serves in calls only."""
    if call_id is None:
        need(socket.member, OWN_CONNECTION)
        return None
    leg: CallParticipant = await socket.query(access_user_leg, membership=socket.membership, call_id=call_id)
    return leg


async def _leg(
    socket: MemberSocket, call_id: UUID | None, *, make: bool = False
) -> tuple[CallParticipant | None, UUID, str]:
    """The participant (None for the client's own connection), its leg and its worker."""
    leg = await _own_leg(socket, call_id)
    if leg is not None:
        return leg, leg.public_id, leg.call.worker_id
    if make:
        socket.leg_worker_id = await socket.query(worker_choose)
    elif not socket.leg_worker_id:
        raise Conflict("Send a webrtc_offer first.", code=ErrorCode.NO_CONNECTION)
    return None, socket.leg_id, socket.leg_worker_id


HANDLERS: dict[type[Message], Handler] = {
    CallInvite: on_call_invite,
    CallAccept: on_call_answer,
    CallDecline: on_call_answer,
    CallEnd: on_call_end,
    IceServersRequest: on_ice_servers_request,
    WebrtcOffer: on_webrtc_offer,
    IceCandidate: on_ice_candidate,
    Start: on_start,
    Stop: on_stop,
    Speak: on_speak,
    MicStart: on_mic_start,
    MicStop: on_mic_stop,
    Stats: on_stats,
}
