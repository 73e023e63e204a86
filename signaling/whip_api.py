"""What both addresses of WHIP share: types of content, the token, refusals as problem details (RFC 9457), CORS."""

from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpResponse, JsonResponse
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from common.errors import DomainError, NotSignedIn
from common.limits import limit_hit
from common.network import address_group
from devices.foreign import device_token_open
from devices.models import Device, DeviceToken
from protocol.whip import FRAGMENT_TYPE, MAX_BODY_BYTES, PROBLEM_TYPE, SDP_TYPE, WhipRefused

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
        """As token()."""
        return self.token().device

    def token(self) -> DeviceToken:
        """Raises NotSignedIn; TooMany where wrong tokens come one after the other."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise NotSignedIn("Send the token of the device: Authorization: Bearer TOKEN.")
            return device_token_open(token.strip())
        except NotSignedIn:
            # Only these are counted: a device that was removed and goes on asking must not lock the others out.
            network = address_group(self.request.META.get("REMOTE_ADDR", ""))
            limit_hit(
                f"whip:{network}", most=WRONG_TOKENS_PER_MINUTE, per_s=60, message="Too many wrong tokens."
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
