"""The program on a device: key, claim, microphone, speaker, calls, announcements. No Django."""

__version__ = "0.1.0"
