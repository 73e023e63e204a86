"""Call, CallBreak, CallParticipant, Recording, ListeningCopy, LegStatistics."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from households.models import HouseholdModel
from protocol.messages.calls import CallOutcome, CallRole, CallState

# As they stand in the rows.
REASON_NO_WORKER = "The part of the hub that carries the audio stopped."
REASON_DRAINED = "The hub was stopped or restarted."


def _choices(words: type[CallState] | type[CallOutcome] | type[CallRole]) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ")) for word in words]


class Call(HouseholdModel):
    """Changes state only through calls.state."""

    state = models.CharField(max_length=16, choices=_choices(CallState), default=CallState.CALLING)
    outcome = models.CharField(max_length=16, choices=_choices(CallOutcome), blank=True)
    reason = models.CharField(max_length=200, blank=True)  # why it ended, in words, where nobody hung up
    hung_up_by = models.CharField(max_length=8, choices=_choices(CallRole), blank=True)
    device = models.ForeignKey("devices.Device", on_delete=models.CASCADE, related_name="calls")
    started_by = models.ForeignKey(
        "households.User", null=True, on_delete=models.SET_NULL, related_name="calls"
    )
    worker_id = models.CharField(max_length=64, blank=True)
    invite_id = models.CharField(max_length=64, blank=True)  # of the request that began it
    is_drop_in = models.BooleanField(default=False)  # nobody at the device had to answer
    worker_lost_at = models.DateTimeField(null=True, blank=True)  # since then it waits for another worker
    connected_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                condition=~models.Q(state=CallState.ENDED),
                name="device_in_one_call",
            ),
        ]
        indexes = [
            models.Index(fields=["household", "-created_at"]),
            models.Index(
                fields=["worker_id"], condition=~models.Q(state=CallState.ENDED), name="live_calls_by_worker"
            ),
        ]

    def __str__(self) -> str:
        return f"call {self.public_id}"

    @property
    def is_live(self) -> bool:
        return self.state != CallState.ENDED

    @property
    def is_cut_off(self) -> bool:
        """It ended by nobody's choice before anybody was heard, and nothing is wrong with its device or its ways."""
        is_of_hub = self.reason in (REASON_NO_WORKER, REASON_DRAINED)
        return self.outcome == CallOutcome.FAILED and (is_of_hub or self.accepted_at is None)

    @property
    def is_restarted(self) -> bool:
        """It was cut off since the hub was stopped. Whoever reads that has a hub that is back."""
        return self.is_cut_off and self.reason == REASON_DRAINED

    @property
    def duration_s(self) -> float:
        """From audio both ways to the end; 0 when it never came to that."""
        if not self.connected_at or not self.ended_at:
            return 0.0
        return (self.ended_at - self.connected_at).total_seconds()


class CallBreak(HouseholdModel):
    """A time in which nobody was heard, since the media worker of the call was gone and another one took over."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="breaks")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)  # when every end was heard again

    def __str__(self) -> str:
        return f"break {self.began_at:%H:%M:%S}"


class WhipSession(HouseholdModel):
    """The connection of a foreign device, the newest one: its public_id names the resource of RFC 9725.

    The leg in the media worker has the device's own public_id, so that a new connection takes the place of the
    old one in the same leg, and in the call that the leg is in.
    """

    device = models.OneToOneField("devices.Device", on_delete=models.CASCADE, related_name="whip_session")
    worker_id = models.CharField(max_length=64)
    ice_ufrag = models.CharField(max_length=256)  # of the device; another one would be an ICE restart
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"WHIP session {self.public_id}"


class ParticipantRole(models.TextChoices):
    CALLER = "caller"
    CALLEE = "callee"


class CallParticipant(HouseholdModel):
    """One end of a call. Its public_id is the id of its leg in the media worker."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="participants")
    role = models.CharField(max_length=8, choices=ParticipantRole.choices)
    user = models.ForeignKey(
        "households.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    device = models.ForeignKey(
        "devices.Device", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    display_name = models.CharField(max_length=80)  # as it was then
    joined_at = models.DateTimeField(null=True, blank=True)  # its first audio came
    left_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)  # its packets stopped, and it is waited for
    awaited_at = models.DateTimeField(
        null=True, blank=True
    )  # the call moved; not heard at the new worker yet
    # Of a person: the session or token of the page that made the newest offer; see calls.ending.carriers.
    carried_by = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "role"], name="participant_role_once")]

    def __str__(self) -> str:
        return self.display_name


class RecordingState(models.TextChoices):
    WRITING = "writing"
    FINISHED = "finished"
    LOST = "lost"  # the worker went away before it closed the file


class Recording(HouseholdModel):
    """One participant's Ogg Opus file, as the packets came; one for each worker that carried the call."""

    participant = models.ForeignKey(CallParticipant, on_delete=models.CASCADE, related_name="recordings")
    part = models.PositiveSmallIntegerField(default=1)  # in the order in which the files were opened
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="recordings")
    name = models.CharField(max_length=200, unique=True)  # path under RECORDINGS_ROOT
    worker_id = models.CharField(max_length=64, blank=True)  # who writes it
    key = models.BinaryField(default=bytes)  # opens the file; wrapped, see calls.recording.sounds
    state = models.CharField(max_length=16, choices=RecordingState.choices, default=RecordingState.WRITING)
    started_at = models.DateTimeField(null=True, blank=True)  # of its first sample
    duration_s = models.FloatField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    packets_lost = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["participant", "part"], name="recording_part_once")]

    def __str__(self) -> str:
        return self.name


class ListeningCopy(HouseholdModel):
    """All voices of a call in one stereo file, caller left, the others right; and what the waveform shows."""

    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="listening_copy")
    name = models.CharField(max_length=200)
    duration_s = models.FloatField()
    size_bytes = models.PositiveBigIntegerField()
    key = models.BinaryField(default=bytes)  # as of a recording
    peaks = models.JSONField()  # {"caller": [0..1, ...], "others": [...]}, of equal length

    def __str__(self) -> str:
        return self.name


class Measurer(models.TextChoices):
    """Who measured: what an end sent is counted at the hub, what it received at the end."""

    END = "end"
    HUB = "hub"


def _a_value_a_second() -> "ArrayField[list[int | None], list[int | None]]":
    return ArrayField(models.SmallIntegerField(null=True), default=list)


class LegStatistics(HouseholdModel):
    """Up to a minute of one participant's connection, one value a second; None where nothing was measured.

    Two bytes a value keep a call of ten minutes below 50 kB, so the units are small whole ones, and what does not
    fit is cut off at 32767.
    """

    participant = models.ForeignKey(
        CallParticipant, on_delete=models.CASCADE, related_name="statistics", db_index=False
    )
    measurer = models.CharField(max_length=4, choices=Measurer.choices)
    started_at = models.DateTimeField()  # of the first second, by the hub's clock
    packets_received = _a_value_a_second()
    packets_lost = _a_value_a_second()
    bytes_received = _a_value_a_second()
    jitter_tenth_ms = _a_value_a_second()
    round_trip_time_ms = _a_value_a_second()
    concealed_ms = _a_value_a_second()  # of speech; of the end alone, as are the next two
    concealment_events = _a_value_a_second()
    audio_level_thousandth = _a_value_a_second()
    codec = models.CharField(max_length=32, blank=True)
    path = models.CharField(
        max_length=32, blank=True
    )  # "host srflx udp": own and other candidate type, protocol

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "measurer", "started_at"], name="statistics_of_a_second_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measurer} {self.started_at:%H:%M:%S}"

    @property
    def second_count(self) -> int:
        return len(self.packets_received)
