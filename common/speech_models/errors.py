"""What can be wrong with speech models. Each message is for the person in front of the hub."""

from common.errors import Unavailable
from protocol.errors import ErrorCode


class SpeechModelError(Unavailable):
    """Base of this tree; clients are told `no_model`."""

    code = ErrorCode.NO_MODEL


class ModelMissing(SpeechModelError):
    """No such model is installed. Work that needs it waits and runs when it is there."""


class ModelDamaged(SpeechModelError):
    """A file is missing or differs from what was recorded at installation."""


class DownloadFailed(SpeechModelError):
    """Nothing half made is left in place; what already arrived is used by the next attempt."""
