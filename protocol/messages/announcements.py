"""Announcements, and how far each delivery is."""

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from protocol.base import Message, ShortText


class DeliveryState(StrEnum):
    QUEUED = "queued"
    FETCHED = "fetched"
    PLAYED = "played"
    FAILED = "failed"
    EXPIRED = "expired"


class AnnounceProgress(Message):
    """From the device: how far a delivery is. From the hub: the same, for the page."""

    type: Literal["announce_progress"] = "announce_progress"
    delivery_id: UUID
    state: DeliveryState
    announcement_id: UUID | None = None
    device_id: UUID | None = None
    reason: ShortText | None = None


class Announce(Message):
    """Fetch the clip at `clip_url` (a path on the hub), play it once, report each step."""

    type: Literal["announce"] = "announce"
    delivery_id: UUID
    text: str
    clip_url: str
    clip_sha256: str
    expires_at: datetime
