"""Error codes of the `error` message and close codes of the sockets."""

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Stable words for programs; the `message` beside them is for people."""

    BAD_MESSAGE = "bad_message"  # not JSON, not an object, or a field is wrong
    UNKNOWN_TYPE = "unknown_type"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"  # rate limit
    NOT_SIGNED_IN = "not_signed_in"
    NOT_A_MEMBER = "not_a_member"  # signed in, but not in this household any more
    NOT_FOUND = "not_found"  # also: not yours
    NOT_ALLOWED = "not_allowed"
    CONSENT_NEEDED = "consent_needed"  # the person has not agreed yet that calls are recorded
    BAD_SDP = "bad_sdp"
    NO_CONNECTION = "no_connection"  # speech, tone or microphone before an offer was answered
    DEVICE_OFFLINE = "device_offline"
    DEVICE_BUSY = "device_busy"
    CALL_ENDED = "call_ended"
    NO_WORKER = "no_worker"  # no media worker is running
    NO_MODEL = "no_model"  # the speech model is not installed
    BAD_TEXT = "bad_text"
    BUFFER_FULL = "buffer_full"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


class CloseCode(IntEnum):
    """RFC 6455 section 7.4.2: 4000 and up are ours.

    The server below lets an application send no others: what it is told to close with 1008 it closes with 1011.
    """

    POLICY = 4400  # repeated abuse
    TOO_BIG = 4413
    NOT_SIGNED_IN = 4401
    REVOKED = 4403
    REPLACED = 4409  # the same device connected again
