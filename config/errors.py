"""What can go wrong before the hub runs."""


class EmbeddedError(Exception):
    """A private server cannot run; the text says why and what to do."""
