"""What speaks a text, whatever library does it."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


class Synthesizer(Protocol):
    """A loaded voice. Tens of milliseconds per sentence; never on an event loop."""

    @property
    def voice_id(self) -> str: ...

    @property
    def is_demo(self) -> bool: ...

    @property
    def sample_rate_hz(self) -> int: ...

    def synthesize(self, text: str) -> Iterator[Samples]:
        """One array of mono samples per sentence. Nothing for a text without anything to say."""
        ...
