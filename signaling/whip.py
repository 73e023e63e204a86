"""WHIP (RFC 9725): a device of another maker connects over plain HTTP, known by its bearer token.

The way of an offer: token, limit, a first look (protocol.whip), a worker that answers, a row, the answer.
"""

from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.urls import reverse
from django_scopes import scope
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from calls.models import WhipSession
from calls.network.ice import candidate_scope, ice_servers
from calls.workers.whip import whip_session_end, whip_session_live, whip_session_start, whip_worker
from common.errors import Invalid, NotFound, Unavailable
from common.limits import limit_hit
from common.push import group_worker, push
from devices.models import Device, DeviceToken
from protocol.errors import ErrorCode
from protocol.messages.connection import WebrtcAnswer
from protocol.whip import (
    FRAGMENT_TYPE,
    PROBLEM_TYPE,
    SDP_TYPE,
    WhipOffer,
    WhipRefused,
    fragment_read,
    link_header,
    offer_read,
)
from protocol.worker import LegCandidate, LegOffer
from signaling.ask import worker_ask
from signaling.whip_api import AnyNegotiation, FragmentParser, OfferParser, WhipApi

CONNECTIONS_PER_MINUTE = 20
FRAGMENTS_PER_MINUTE = 120


class WhipEndpointApi(WhipApi):
    """Where a device asks for a connection."""

    parser_classes = (OfferParser,)
    accepts = {"Accept-Post": SDP_TYPE}

    @extend_schema(
        operation_id="whip_connect",
        tags=["whip"],
        request={SDP_TYPE: OpenApiTypes.STR},
        responses={
            (201, SDP_TYPE): OpenApiTypes.STR,
            **{(status, PROBLEM_TYPE): OpenApiTypes.OBJECT for status in (400, 401, 406, 413, 415, 429, 503)},
        },
    )
    def post(self, request: Request) -> HttpResponse:
        """RFC 9725 section 4.2. A connection of the same device takes the place of the one before."""
        token = self.token()
        device = token.device
        limit_hit(
            f"whip:{device.pk}",
            most=CONNECTIONS_PER_MINUTE,
            per_s=60,
            message="The device connects too often.",
        )
        offer = offer_read(self.body())
        with scope(household=device.household):
            session, answer = _connect(token, offer)
        response = HttpResponse(answer, status=HTTPStatus.CREATED, content_type=SDP_TYPE)
        response["Location"] = reverse("whip-session", args=[session.public_id])
        response["ETag"] = _etag(session)
        response["Accept-Patch"] = FRAGMENT_TYPE
        return _with_ice_servers(response, device)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """With the token also the STUN and TURN servers, for clients that need them before they make an offer."""
        response = super().options(request, *args, **kwargs)
        return _with_ice_servers(response, self.device()) if "Authorization" in request.headers else response


class WhipSessionApi(WhipApi):
    """One connection. Another device's, or one that ended or was replaced, looks absent."""

    parser_classes = (FragmentParser,)
    content_negotiation_class: type[BaseContentNegotiation] = AnyNegotiation
    accepts = {"Accept-Patch": FRAGMENT_TYPE}

    @extend_schema(
        operation_id="whip_trickle",
        tags=["whip"],
        request={FRAGMENT_TYPE: OpenApiTypes.STR},
        responses={
            204: None,
            **{
                (status, PROBLEM_TYPE): OpenApiTypes.OBJECT
                for status in (400, 401, 404, 412, 413, 415, 422, 429, 503)
            },
        },
    )
    def patch(self, request: Request, public_id: UUID) -> HttpResponse:
        """RFC 9725 section 4.3: more network addresses of the device. ICE restarts are not supported."""
        device = self.device()
        limit_hit(
            f"whip-patch:{device.pk}", most=FRAGMENTS_PER_MINUTE, per_s=60, message="Too many fragments."
        )
        with scope(household=device.household):
            session = _session(device, public_id)
            fragment = fragment_read(self.body())
            wanted = request.headers.get("If-Match", "*")
            if fragment.ice_ufrag not in (None, session.ice_ufrag):
                raise WhipRefused(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "ICE restarts are not supported. Connect again with a POST.",
                )
            if wanted not in ("*", _etag(session)):
                raise WhipRefused(HTTPStatus.PRECONDITION_FAILED, "This belongs to another connection.")
            last = [(None, None)] if fragment.is_end else []
            for candidate, mid in [*fragment.candidates, *last]:
                command = LegCandidate(leg_id=device.public_id, candidate=candidate, sdp_mid=mid)
                push(group_worker(session.worker_id), command)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        operation_id="whip_disconnect",
        tags=["whip"],
        responses={
            200: None,
            **{(status, PROBLEM_TYPE): OpenApiTypes.OBJECT for status in (401, 404, 429)},
        },
    )
    def delete(self, request: Request, public_id: UUID) -> HttpResponse:
        """RFC 9725 section 4.2: the device hangs up and goes offline."""
        device = self.device()
        with scope(household=device.household):
            whip_session_end(session=_session(device, public_id))
        return HttpResponse(status=HTTPStatus.OK)


def _connect(token: DeviceToken, offer: WhipOffer) -> tuple[WhipSession, str]:
    device = token.device
    worker_id = whip_worker(device)
    command = LegOffer(
        leg_id=device.public_id,
        sdp=offer.sdp,
        ice_servers=ice_servers(device.public_id),
        candidate_scope=candidate_scope(device.household),
        reply_channel="",
        request_id=uuid4().hex,
        is_standing=True,
    )
    reply = async_to_sync(worker_ask)(worker_id, command)
    if isinstance(reply, WebrtcAnswer):
        return whip_session_start(token=token, worker_id=worker_id, ice_ufrag=offer.ice_ufrag), reply.sdp
    if reply.code is ErrorCode.BAD_SDP:
        raise Invalid(reply.message)
    raise Unavailable(reply.message, code=ErrorCode.NO_WORKER)


def _session(device: Device, public_id: UUID) -> WhipSession:
    session = whip_session_live(device)
    if session is None or session.public_id != public_id:
        raise NotFound("There is no such connection. Connect again with a POST.")
    return session


def _etag(session: WhipSession) -> str:
    return f'"{session.public_id.hex}"'


def _with_ice_servers(response: HttpResponse, device: Device) -> HttpResponse:
    if links := link_header(ice_servers(device.public_id)):
        response["Link"] = links
    return response
