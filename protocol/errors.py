"""Error codes of the `error` message and close codes of the sockets."""

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Stable words for programs; the `message` beside them is for people."""

    BAD_MESSAGE = "bad_message"  # not JSON, not an object, or a field is wrong
    UNKNOWN_TYPE = "unknown_type"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"  # rate limit
    NOT_SIGNED_IN = "not_signed_in"
    NOT_FOUND = "not_found"  # also: not yours
    NOT_ALLOWED = "not_allowed"
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
    """RFC 6455 section 7.4; 4000 and up are ours."""

    POLICY = 1008  # repeated abuse
    TOO_BIG = 1009
    NOT_SIGNED_IN = 4401
    REVOKED = 4403
    REPLACED = 4409  # the same device connected again
