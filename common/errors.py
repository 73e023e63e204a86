"""What may go wrong, in words for people, and how each transport says it.

DomainError
|- Invalid            400  what was given cannot be
|- NotSignedIn        401
|- NotAllowed         403  yours, but not for your role
|- NotFound           404  absent, or somebody else's: the same answer
|  |- Gone                 was there for this person, who reads what became of it
|- MethodNotAllowed   405
|- Conflict           409  not now
|  |- DeviceOffline
|  |- DeviceBusy
|- TooMany            429
|- Unavailable        503  a part of the hub is missing
"""

from typing import Any, ClassVar
from uuid import UUID

from django.db import DataError
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from protocol.errors import ErrorCode


class DomainError(Exception):
    """A refusal. `message` goes to the person as it is."""

    status: ClassVar[int] = 400
    code: ClassVar[ErrorCode] = ErrorCode.BAD_MESSAGE
    title: ClassVar[str] = "That did not work"
    is_refusal: ClassVar[bool] = True

    def __init__(self, message: str, *, code: ErrorCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.wire_code = code or self.code


class Invalid(DomainError):
    status = 400


class NotSignedIn(DomainError):
    status = 401
    code = ErrorCode.NOT_SIGNED_IN


class NotAllowed(DomainError):
    status = 403
    code = ErrorCode.NOT_ALLOWED


class NotFound(DomainError):
    status = 404
    code = ErrorCode.NOT_FOUND


class Gone(NotFound):
    title = "Not here any more"
    is_refusal = False


METHOD_WORDS = "This address does not do that."


class MethodNotAllowed(DomainError):
    status = 405


class Conflict(DomainError):
    status = 409


class DeviceOffline(Conflict):
    code = ErrorCode.DEVICE_OFFLINE


class DeviceBusy(Conflict):
    """`call_id`: the call that keeps it busy, where whoever asks is in that call already."""

    code = ErrorCode.DEVICE_BUSY

    def __init__(self, message: str, *, call_id: UUID | None = None) -> None:
        super().__init__(message)
        self.call_id = call_id


class TooMany(DomainError):
    status = 429
    code = ErrorCode.TOO_MANY


class Unavailable(DomainError):
    status = 503
    code = ErrorCode.INTERNAL


PROBLEM_WORDS = "The hub has a problem. Try again in a moment."


def refusal_of(exc: Exception) -> DomainError | None:
    """What a person is told of it; None: nobody thought of this one."""
    if isinstance(
        exc, DataError
    ):  # a value that a column cannot take, such as a NUL sign: it was given by somebody
        return Invalid("This holds a sign or a number that the hub cannot keep.")
    if isinstance(exc, RedisError):  # what must be counted, or known for a moment, cannot be
        return Unavailable(PROBLEM_WORDS)
    return exc if isinstance(exc, DomainError) else None


def api_exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's hook."""
    exc = refusal_of(exc) or exc
    if isinstance(exc, exceptions.ParseError):
        exc = Invalid("This is not JSON that the hub can read.")
    if isinstance(exc, exceptions.MethodNotAllowed):
        exc = MethodNotAllowed(METHOD_WORDS)
    if isinstance(exc, DomainError):
        return Response({"error": str(exc.wire_code), "error_description": exc.message}, status=exc.status)
    return exception_handler(exc, context)
