"""STUN and TURN servers for one peer, with TURN credentials that run out (coturn's use-auth-secret)."""

import base64
import hashlib
import hmac
from uuid import UUID

from django.conf import settings

from common.clock import now
from protocol.messages import IceServer

LIFE_S = 600


def ice_servers(identity: UUID) -> list[IceServer]:
    """draft-uberti-behave-turn-rest: username `expiry:identity`, credential HMAC-SHA1 of it."""
    servers = [IceServer(urls=settings.STUN_URLS)] if settings.STUN_URLS else []
    if settings.TURN_URLS:
        username = f"{int(now().timestamp()) + LIFE_S}:{identity}"
        digest = hmac.new(settings.TURN_SECRET.encode(), username.encode(), hashlib.sha1).digest()
        credential = base64.b64encode(digest).decode()
        servers.append(IceServer(urls=settings.TURN_URLS, username=username, credential=credential))
    return servers
