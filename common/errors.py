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

import math
from typing import Any, ClassVar
from uuid import UUID

from django.db import DataError
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from protocol.errors import ErrorCode


class DomainError(Exception):
    """A refusal. `message` goes to the person as it is.

    `retry_after_s`: when it may be tried again, where that is known; the message ends with it, and `stem` does not.
    """

    status: ClassVar[int] = 400
    code: ClassVar[ErrorCode] = ErrorCode.BAD_MESSAGE
    title: ClassVar[str] = "That did not work"
    is_refusal: ClassVar[bool] = True

    def __init__(self, message: str, *, code: ErrorCode | None = None, retry_after_s: int = 0) -> None:
        self.stem, self.retry_after_s = message, retry_after_s
        self.message = f"{message} {wait_words(retry_after_s)}" if retry_after_s else message
        super().__init__(self.message)
        self.wire_code = code or self.code

    @property
    def headers(self) -> dict[str, str]:
        """Of an answer that says it over HTTP (RFC 9110 section 10.2.3)."""
        is_later = self.retry_after_s and self.status in (429, 503)
        return {"Retry-After": str(self.retry_after_s)} if is_later else {}


def wait_words(seconds: int) -> str:
    """For a page without JavaScript, and for a program, as in "Try again in 3 minutes"."""
    minutes = math.ceil(seconds / 60)
    if minutes > 60:
        return f"Try again in {math.ceil(minutes / 60)} hours."
    return "Try again in a minute." if minutes <= 1 else f"Try again in {minutes} minutes."


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
        words = {"error": str(exc.wire_code), "error_description": exc.message}
        return Response(words, status=exc.status, headers=exc.headers)
    return exception_handler(exc, context)
