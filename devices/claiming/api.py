"""What a device asks over HTTP before it has a certificate."""

from typing import Any, TypeVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.errors import Invalid, TooMany
from common.limits import limit_hit
from common.network import address_group
from devices.claiming.authorization import PollProblem, authorization_poll, authorization_start
from protocol.enrollment import (
    Authorization,
    AuthorizationRequest,
    Enrollment,
    EnrollmentError,
    TokenRequest,
)

ModelT = TypeVar("ModelT", bound=BaseModel)
# From one network. A device asks once in a quarter of an hour, and polls every two seconds.
ASKED_PER_MINUTE = 60
POLLED_PER_MINUTE = 600
_TOO_MANY = "Too many requests."


class DeviceApi(APIView):
    """Open to everybody: a device has nothing to show yet."""

    authentication_classes = ()
    permission_classes = ()


class AuthorizationCreateApi(DeviceApi):
    """RFC 8628 section 3.1."""

    @extend_schema(request=AuthorizationRequest, responses={200: Authorization, 400: EnrollmentError})
    def post(self, request: Request) -> Response:
        limit_hit(f"authorize:{_network(request)}", most=ASKED_PER_MINUTE, per_s=60, message=_TOO_MANY)
        data = _parse(AuthorizationRequest, request.data)
        # The link leads back to the address under which the device found the hub, unless one was configured.
        base_url = (
            settings.HUB_URL if settings.IS_HUB_URL_SET else request.build_absolute_uri("/").rstrip("/")
        )
        return Response(authorization_start(request=data, base_url=base_url).model_dump(mode="json"))


class TokenCreateApi(DeviceApi):
    """RFC 8628 section 3.4."""

    @extend_schema(request=TokenRequest, responses={200: Enrollment, 400: EnrollmentError})
    def post(self, request: Request) -> Response:
        data = _parse(TokenRequest, request.data)
        try:
            limit_hit(f"poll:{_network(request)}", most=POLLED_PER_MINUTE, per_s=60, message=_TOO_MANY)
            enrollment = authorization_poll(device_code=data.device_code)
        except TooMany as refusal:
            return _problem("slow_down", refusal.message)
        except PollProblem as problem:
            return _problem(problem.error, problem.description)
        return Response(enrollment.model_dump(mode="json"))


def _network(request: Request) -> str:
    return address_group(request.META.get("REMOTE_ADDR", ""))


def _problem(error: str, description: str) -> Response:
    return Response({"error": error, "error_description": description}, status=400)


def _parse(model: type[ModelT], data: Any) -> ModelT:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Invalid(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
