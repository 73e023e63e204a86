"""Transcript: the job and its state, one per recording. TranscriptSegment: one sentence."""

from django.db import models

from households.models import HouseholdModel


class TranscriptState(models.TextChoices):
    QUEUED = "queued"
    WAITING = "waiting"  # for a speech model
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


class Transcript(HouseholdModel):
    """The row is the job: a broker that forgets loses nothing, the sweep hands it out again."""

    recording = models.OneToOneField("calls.Recording", on_delete=models.CASCADE, related_name="transcript")
    state = models.CharField(max_length=16, choices=TranscriptState.choices, default=TranscriptState.QUEUED)
    reason = models.CharField(max_length=300, blank=True)  # why it waits or failed, in words
    attempt_count = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    model_name = models.CharField(max_length=100, blank=True)
    is_demo_model = models.BooleanField(default=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"transcript of {self.recording_id}"


class TranscriptSegment(HouseholdModel):
    """Times are seconds of the recording. `words`: [{"text", "start_s", "end_s", "probability"}]."""

    transcript = models.ForeignKey(Transcript, on_delete=models.CASCADE, related_name="segments")
    start_s = models.FloatField()
    end_s = models.FloatField()
    text = models.TextField()
    words = models.JSONField(default=list)

    class Meta:
        ordering = ["start_s", "pk"]

    def __str__(self) -> str:
        return f"segment {self.pk}"
