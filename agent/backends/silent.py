"""A device without ears and mouth."""

from agent.audio import SILENCE, Samples


class SilentMicrophone:
    def open(self) -> None:
        """Nothing to open."""

    def read(self) -> Samples:
        return SILENCE

    def close(self) -> None:
        """Nothing to close."""


class SilentSpeaker:
    def open(self) -> None:
        """Nothing to open."""

    def write(self, samples: Samples) -> None:
        """Nobody hears it."""

    def close(self) -> None:
        """Nothing to close."""
