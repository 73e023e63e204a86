"""What a device asks over HTTP before it has a certificate."""

from typing import Any, TypeVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.errors import Invalid
from common.limits import limit_hit
from common.network import address_group
from devices.authorization import PollProblem, authorization_poll, authorization_start
from protocol.enrollment import (
    Authorization,
    AuthorizationRequest,
    Enrollment,
    EnrollmentError,
    TokenRequest,
)

ModelT = TypeVar("ModelT", bound=BaseModel)


class DeviceApi(APIView):
    """Open to everybody: a device has nothing to show yet."""

    authentication_classes = ()
    permission_classes = ()


class AuthorizationCreateApi(DeviceApi):
    """RFC 8628 section 3.1."""

    @extend_schema(request=AuthorizationRequest, responses={200: Authorization, 400: EnrollmentError})
    def post(self, request: Request) -> Response:
        address = address_group(request.META.get("REMOTE_ADDR", ""))
        limit_hit(f"authorize:{address}", most=60, per_s=60, message="Too many requests. Wait a minute.")
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
            enrollment = authorization_poll(device_code=data.device_code)
        except PollProblem as problem:
            return Response({"error": problem.error, "error_description": problem.description}, status=400)
        return Response(enrollment.model_dump(mode="json"))


def _parse(model: type[ModelT], data: Any) -> ModelT:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Invalid(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
