"""STUN and TURN servers for one end of one call, with TURN credentials that run out (coturn's use-auth-secret)."""

import base64
import hashlib
import hmac
from contextlib import suppress
from uuid import UUID

from django.conf import settings

from calls.models import CallParticipant
from common.clock import now
from households.models import Household
from protocol.messages.connection import IceServer, IceTransportPolicy
from protocol.worker import CandidateScope
from turn.servers import server_read

LIFE_S = 600


def ice_servers(*identity: UUID) -> list[IceServer]:
    """For the end that the ids stand for: call and participant, or a connection outside of calls.

    A credential lets its owner make allocations for ten minutes; one that was made goes on as long as it is
    refreshed. So every new connection begins with fresh ones.
    """
    stun_urls = settings.STUN_URLS or _stun_urls(settings.TURN_URLS)
    servers = [IceServer(urls=stun_urls)] if stun_urls else []
    if settings.TURN_URLS:
        username, credential = turn_credential("/".join(map(str, identity)), life_s=LIFE_S)
        servers.append(IceServer(urls=settings.TURN_URLS, username=username, credential=credential))
    return servers


def leg_ice_servers(leg: CallParticipant | None, leg_id: UUID) -> list[IceServer]:
    """For both sides of one leg: the client's own connection has no participant."""
    return ice_servers(leg.call.public_id, leg.public_id) if leg else ice_servers(leg_id)


def turn_credential(identity: str, *, life_s: int) -> tuple[str, str]:
    """draft-uberti-behave-turn-rest: username `expiry:identity`, credential HMAC-SHA1 of it."""
    username = f"{int(now().timestamp()) + life_s}:{identity}"
    digest = hmac.new(settings.TURN_SECRET.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def ice_transport_policy(household: Household) -> IceTransportPolicy:
    return IceTransportPolicy.RELAY if is_relay_only(household) else IceTransportPolicy.ALL


def candidate_scope(household: Household, *, of_guest: bool = False) -> CandidateScope:
    """Which of an end's addresses the worker sends to unasked. A guest names none of the home's own network.

    A guest who is at home finds the worker all the same: it answers whoever came and could show the call's password.
    """
    if is_relay_only(household):
        return CandidateScope.RELAY
    return CandidateScope.PUBLIC if of_guest else CandidateScope.HOUSEHOLD


def is_relay_only(household: Household) -> bool:
    """Without a relay the wish cannot be met, and calls go on."""
    return household.hides_addresses and bool(settings.TURN_URLS)


def _stun_urls(turn_urls: list[str]) -> list[str]:
    """A TURN server that is reached by UDP answers STUN at the same port (RFC 8656 section 1)."""
    for url in turn_urls:
        with suppress(ValueError):
            server = server_read(url)
            if server.transport == "udp":
                return [f"stun:{server.host}:{server.port}"]
    return []
