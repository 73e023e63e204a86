"""The one audio format on the wire: Opus at 48 kHz, mono, 20 ms frames (RFC 7587)."""

from typing import Final

SAMPLE_RATE_HZ: Final = 48_000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000
CHANNEL_COUNT: Final = 1

# A 20 ms mono Opus packet that decodes to digital silence. It stands for time in which nothing arrived.
OPUS_SILENCE: Final = b"\xf8\xff\xfe"
