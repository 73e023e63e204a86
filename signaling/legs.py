"""From a socket's WebRTC messages to commands for the media worker."""

import asyncio
from uuid import UUID

from redis.exceptions import RedisError

from calls.models import CallParticipant
from calls.network.ice import candidate_scope, ice_transport_policy, leg_ice_servers
from calls.recording.services import recording_name
from calls.selectors import echo_is_for_hub
from calls.workers.placement import worker_is_alive
from common.errors import Conflict, Unavailable
from common.push import apush, group_worker
from households.models import Household
from protocol.errors import ErrorCode
from protocol.messages.connection import IceCandidate, IceServers, WebrtcOffer
from protocol.worker import LegCandidate, LegOffer


async def leg_offer(
    message: WebrtcOffer,
    *,
    leg: CallParticipant | None,
    leg_id: UUID,
    household: Household,
    worker_id: str,
    channel: str,
    of_guest: bool = False,
) -> None:
    """Hand the offer to the worker, which answers to the socket itself.

    Raises Conflict when the call is over, and Unavailable while its worker is gone and no other has it yet:
    whoever hears that asks again.
    """
    if leg is not None and not leg.call.is_live:
        raise Conflict("This call is over.", code=ErrorCode.CALL_ENDED)
    if leg is not None and not await _is_tended(worker_id):
        raise Unavailable("The hub is moving this call to another of its parts.", code=ErrorCode.NO_WORKER)
    offer = LegOffer(
        leg_id=leg_id,
        call_id=leg.call.public_id if leg else None,
        participant_id=leg.public_id if leg else None,
        sdp=message.sdp,
        ice_servers=leg_ice_servers(leg, leg_id),
        candidate_scope=candidate_scope(household, of_guest=of_guest),
        reply_channel=channel,
        request_id=message.id,
        recording_name=recording_name(leg) if leg else None,
        echo_cancellation=leg is not None and echo_is_for_hub(leg),
    )
    await apush(group_worker(worker_id), offer)


async def _is_tended(worker_id: str) -> bool:
    try:
        return await asyncio.to_thread(worker_is_alive, worker_id)
    except (RedisError, OSError):
        return True  # nobody knows, and the worker may well be there


def leg_ice(leg: CallParticipant | None, leg_id: UUID, household: Household) -> IceServers:
    """The answer to `ice_servers_request`."""
    return IceServers(
        ice_servers=leg_ice_servers(leg, leg_id), ice_transport_policy=ice_transport_policy(household)
    )


async def leg_candidate(message: IceCandidate, *, leg_id: UUID, worker_id: str) -> None:
    command = LegCandidate(
        leg_id=leg_id,
        candidate=message.candidate or None,
        sdp_mid=message.sdpMid,
        sdp_m_line_index=message.sdpMLineIndex,
    )
    await apush(group_worker(worker_id), command)
