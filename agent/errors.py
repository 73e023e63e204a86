"""What can go wrong on a device, in words for the person in front of it."""


class AgentError(Exception):
    """The message is for people."""


class AudioError(AgentError):
    """No such microphone or speaker, or it cannot be opened."""


class VoiceError(AgentError):
    """This device cannot speak by itself. The message goes on where another sentence began."""


class EnrollmentRefusedError(AgentError):
    """The hub's answer does not fit this device: another key, another CA, another link."""


class ClipError(AgentError):
    """An announcement's sound could not be fetched, or is not what was promised."""


class OfflineError(AgentError):
    """There is no connection to the hub just now."""


class RequestRefusedError(AgentError):
    """The hub answered a request with `error`; `code` is its protocol.errors.ErrorCode."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
