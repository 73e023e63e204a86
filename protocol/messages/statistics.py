"""What an end measured of its connection, and how good the connection of each is."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from protocol.base import Message, Part
from protocol.quality import QualityWord, StatsSample

MAX_STATS_SAMPLES = 15
CodecName = Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9./+-]+$")]  # "audio/opus"
CandidateType = Literal["host", "srflx", "prflx", "relay"]  # RTCIceCandidateType


class Stats(Message):
    """What this end of a call measured: a sample a second, oldest first, sent every few seconds.

    The candidate types and the protocol are those of the selected pair; no addresses. The first agents send no samples
    but three figures of the whole connection, which say nothing about a second and are not kept.
    """

    type: Literal["stats"] = "stats"
    call_id: UUID
    samples: list[StatsSample] = Field(default_factory=list, min_length=1, max_length=MAX_STATS_SAMPLES)
    codec: CodecName | None = None
    local_candidate_type: CandidateType | None = None
    remote_candidate_type: CandidateType | None = None
    protocol: Literal["udp", "tcp"] | None = None
    echo_return_loss_enhancement: float | None = Field(default=None, ge=-100, le=100)  # dB; from a device
    packets_lost: int | None = None
    jitter_s: float | None = None
    round_trip_time_s: float | None = None


class EndQuality(Part):
    """How one end of a call is connected. `bars`: 0 to 4 of the four."""

    role: Literal["caller", "callee"]
    bars: int = Field(ge=0, le=4)
    quality: QualityWord


class CallQuality(Message):
    """How the ends of a call are connected; comes when that changes. An end that is not named is not known."""

    type: Literal["call_quality"] = "call_quality"
    call_id: UUID
    ends: list[EndQuality]
