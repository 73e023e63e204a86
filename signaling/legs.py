"""From a socket's WebRTC messages to commands for the media worker."""

from uuid import UUID

from calls.ice import ice_servers
from calls.models import CallParticipant
from calls.recordings import recording_name
from common.errors import Conflict
from common.push import apush, group_worker
from protocol.errors import ErrorCode
from protocol.messages import IceCandidate, WebrtcOffer
from protocol.worker import LegCandidate, LegOffer


async def leg_offer(
    message: WebrtcOffer, *, leg: CallParticipant | None, leg_id: UUID, worker_id: str, channel: str
) -> None:
    """Hand the offer to the worker, which answers to the socket itself. Raises Conflict when the call is over."""
    if leg is not None and not leg.call.is_live:
        raise Conflict("This call is over.", code=ErrorCode.CALL_ENDED)
    offer = LegOffer(
        leg_id=leg_id,
        call_id=leg.call.public_id if leg else None,
        participant_id=leg.public_id if leg else None,
        sdp=message.sdp,
        ice_servers=ice_servers(leg_id),
        reply_channel=channel,
        request_id=message.id,
        recording_name=recording_name(leg) if leg else None,
    )
    await apush(group_worker(worker_id), offer)


async def leg_candidate(message: IceCandidate, *, leg_id: UUID, worker_id: str) -> None:
    command = LegCandidate(
        leg_id=leg_id,
        candidate=message.candidate or None,
        sdp_mid=message.sdpMid,
        sdp_m_line_index=message.sdpMLineIndex,
    )
    await apush(group_worker(worker_id), command)
