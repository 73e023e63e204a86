"""What can go wrong before the hub runs.

StartError
└── EmbeddedError
"""


class StartError(Exception):
    """The hub cannot start; the text says why and what to do."""


class EmbeddedError(StartError):
    """A private server cannot run."""
