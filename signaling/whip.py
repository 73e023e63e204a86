"""WHIP (RFC 9725): a device of another maker connects over plain HTTP, known by its bearer token.

The way of an offer: token, limit, a first look (protocol.whip), a worker that answers, a row, the answer.
"""

from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID, uuid4

from asgiref.sync import async_to_sync
from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django_scopes import scope
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from calls.ice import candidate_scope, ice_servers
from calls.models import WhipSession
from calls.whip import whip_session_end, whip_session_live, whip_session_start, whip_worker
from common.errors import DomainError, Invalid, NotFound, NotSignedIn, Unavailable
from common.limits import limit_hit
from common.push import group_worker, push
from devices.foreign import device_for_token
from devices.models import Device
from protocol.errors import ErrorCode
from protocol.messages import WebrtcAnswer
from protocol.whip import (
    FRAGMENT_TYPE,
    MAX_BODY_BYTES,
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

CONNECTIONS_PER_MINUTE = 20
FRAGMENTS_PER_MINUTE = 120
WRONG_TOKENS_PER_MINUTE = 60
_RETRY_AFTER_S = {429: "60", 503: "2"}
_WORDS = {
    405: "This address does not do that.",
    406: "The answer to an offer is application/sdp, and the device does not take that.",
}


class SdpRenderer(BaseRenderer):
    """For the choice by `Accept` alone: what is answered, is made here."""

    media_type, format = SDP_TYPE, "sdp"


class AnyNegotiation(DefaultContentNegotiation):
    """Where nothing is answered but a status."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class _BytesParser(BaseParser):
    """At most one byte too many is read."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return bytes(stream.read(MAX_BODY_BYTES + 1))


class OfferParser(_BytesParser):
    media_type = SDP_TYPE


class FragmentParser(_BytesParser):
    media_type = FRAGMENT_TYPE


class WhipApi(APIView):
    """What both addresses share. Errors are problem details (RFC 9457).

    Any page may ask (CORS): there is no cookie, so who has no token can do nothing.
    """

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = (SdpRenderer,)
    accepts: ClassVar[dict[str, str]]

    def device(self) -> Device:
        """Raises NotSignedIn; TooMany where wrong tokens come one after the other."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise NotSignedIn("Send the token of the device: Authorization: Bearer TOKEN.")
            return device_for_token(token.strip())
        except NotSignedIn:
            # Only these are counted: a device that was removed and goes on asking must not lock the others out.
            address = self.request.META.get("REMOTE_ADDR", "")
            limit_hit(
                f"whip:{address}", most=WRONG_TOKENS_PER_MINUTE, per_s=60, message="Too many wrong tokens."
            )
            raise

    def body(self) -> bytes:
        """Raises rest_framework's UnsupportedMediaType."""
        data: Any = self.request.data  # {} where there is no body
        return data if isinstance(data, bytes) else b""

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        headers = {"Allow": ", ".join(self.allowed_methods), **self.accepts}
        response = HttpResponse(status=HTTPStatus.OK, headers=headers)
        response["Access-Control-Allow-Methods"] = response["Allow"]
        response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, If-Match"
        response["Access-Control-Max-Age"] = "600"
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Access-Control-Allow-Origin"] = "*"
        response["Access-Control-Expose-Headers"] = "Location, Link, ETag, Accept-Patch, Retry-After"
        response["Cache-Control"] = "no-store"
        return response

    def handle_exception(self, exc: Exception) -> Any:
        match exc:
            case WhipRefused():
                status, words = int(exc.status), exc.words
            case DomainError():
                status, words = exc.status, exc.message
            case RedisError():
                status, words = 503, "The hub has a problem. Try again in a moment."
            case APIException():
                status, words = exc.status_code, _WORDS.get(exc.status_code, self._wants())
            case _:
                raise exc
        return self._problem(status, words)

    def _wants(self) -> str:
        return f"Send {', '.join(self.accepts.values())}."

    def _problem(self, status: int, words: str) -> HttpResponse:
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": words,
        }
        headers = {"Allow": ", ".join(self.allowed_methods)}
        if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            headers |= self.accepts
        response = JsonResponse(problem, status=status, headers=headers, content_type=PROBLEM_TYPE)
        if status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = 'Bearer realm="Hearthline"'
        if status in _RETRY_AFTER_S:
            response["Retry-After"] = _RETRY_AFTER_S[status]
        return response


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
        device = self.device()
        limit_hit(
            f"whip:{device.pk}",
            most=CONNECTIONS_PER_MINUTE,
            per_s=60,
            message="The device connects too often.",
        )
        offer = offer_read(self.body())
        with scope(household=device.household):
            session, answer = _connect(device, offer)
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


def _connect(device: Device, offer: WhipOffer) -> tuple[WhipSession, str]:
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
        return whip_session_start(device=device, worker_id=worker_id, ice_ufrag=offer.ice_ufrag), reply.sdp
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
