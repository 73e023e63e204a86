"""SpeechClip: words made audible. Announcement: who said what. AnnouncementDelivery: did this device play it."""

from django.db import models

from households.models import HouseholdModel
from protocol.messages.announcements import DeliveryState


class ClipState(models.TextChoices):
    QUEUED = "queued"
    WAITING = "waiting"  # for a voice
    READY = "ready"
    FAILED = "failed"


class SpeechClip(HouseholdModel):
    """A file under CLIPS_ROOT, made once per household, voice and text."""

    key = models.CharField(max_length=64)  # SHA-256 of voice and text
    voice_id = models.CharField(max_length=100)
    text = models.TextField()
    state = models.CharField(max_length=16, choices=ClipState.choices, default=ClipState.QUEUED)
    reason = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    duration_s = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["household", "key"], name="clip_once")]

    def __str__(self) -> str:
        return f"clip {self.public_id}"


class Announcement(HouseholdModel):
    text = models.TextField()
    clip = models.ForeignKey(SpeechClip, on_delete=models.PROTECT, related_name="announcements")
    sent_by = models.ForeignKey(
        "households.User", null=True, on_delete=models.SET_NULL, related_name="announcements"
    )
    expires_at = models.DateTimeField()
    is_welcome = models.BooleanField(
        default=False
    )  # a new device says whose it is; see announcements.welcome

    class Meta:
        indexes = [models.Index(fields=["household", "-created_at"])]

    def __str__(self) -> str:
        return f"announcement {self.public_id}"


class AnnouncementDelivery(HouseholdModel):
    """One device's part. Moves forward only: queued, fetched, played; or failed, expired."""

    announcement = models.ForeignKey(Announcement, on_delete=models.CASCADE, related_name="deliveries")
    device = models.ForeignKey("devices.Device", on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in DeliveryState],
        default=DeliveryState.QUEUED,
    )
    reason = models.CharField(max_length=200, blank=True)
    pushed_at = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)
    played_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["announcement", "device"], name="delivery_once")]

    def __str__(self) -> str:
        return f"delivery {self.public_id}"
