"""Room, Device, DevicePresence, DeviceAuthorization, DeviceCertificate."""

from django.db import models

from common.models import BaseModel
from households.models import HouseholdModel


class Room(HouseholdModel):
    name = models.CharField(max_length=80)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["household", "name"], name="room_once")]

    def __str__(self) -> str:
        return self.name


class EchoRemoval(models.TextChoices):
    """Who takes echo and noise out of a device's microphone."""

    DEVICE = "device"
    HUB = "hub"
    OFF = "off"


class DeviceKind(models.TextChoices):
    AGENT = "agent"  # runs our agent; known by its key
    FOREIGN = "foreign"  # another maker's, which speaks WHIP; known by its token


class Device(HouseholdModel):
    """The box, once it is claimed. `revoked_at` set: it belongs to nobody now, only history knows it."""

    kind = models.CharField(max_length=8, choices=DeviceKind.choices, default=DeviceKind.AGENT)

    room = models.ForeignKey(Room, null=True, blank=True, on_delete=models.SET_NULL, related_name="devices")
    name = models.CharField(max_length=80)
    model = models.CharField(max_length=80)
    serial = models.CharField(max_length=80)
    capabilities = models.JSONField(default=list)
    fingerprint_sha256 = models.CharField(
        max_length=64, db_index=True, blank=True
    )  # a foreign one has no key
    public_key_pem = models.TextField(blank=True)
    is_auto_answer = models.BooleanField(default=False)
    echo_removal = models.CharField(max_length=8, choices=EchoRemoval.choices, default=EchoRemoval.DEVICE)
    claimed_by = models.ForeignKey(
        "households.User", null=True, on_delete=models.SET_NULL, related_name="claimed_devices"
    )
    claimed_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint_sha256"],
                condition=models.Q(revoked_at=None) & ~models.Q(fingerprint_sha256=""),
                name="device_key_claimed_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_foreign(self) -> bool:
        return self.kind == DeviceKind.FOREIGN


class DeviceToken(BaseModel):
    """Lets one foreign device in. Only the hash is kept. Not scoped: it opens the scope."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="tokens")
    token_hash = models.CharField(max_length=64, unique=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"], condition=models.Q(revoked_at=None), name="device_token_once"
            )
        ]

    def __str__(self) -> str:
        return f"token of device {self.device_id}"


class DevicePresence(BaseModel):
    """Written by every heartbeat, so it is kept apart from Device."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="presence")
    is_online = models.BooleanField(default=False)
    channel_name = models.CharField(max_length=200, blank=True)  # the socket that holds the presence
    last_seen_at = models.DateTimeField(null=True, blank=True)
    agent_version = models.CharField(max_length=40, blank=True)
    # Of the last call in which there was an echo to measure, in dB.
    echo_return_loss_enhancement = models.FloatField(null=True, blank=True)

    def __str__(self) -> str:
        return f"presence of device {self.device_id}"


class AuthorizationState(models.TextChoices):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    DENIED = "denied"
    ENROLLED = "enrolled"  # the device has fetched its certificate


class DeviceAuthorization(BaseModel):
    """A device that waits to be claimed (RFC 8628). It belongs to no household until somebody confirms."""

    state = models.CharField(
        max_length=16, choices=AuthorizationState.choices, default=AuthorizationState.PENDING
    )
    device_code_hash = models.CharField(max_length=64, unique=True)
    user_code_hash = models.CharField(max_length=64, db_index=True)
    secret_hash = models.CharField(max_length=64, db_index=True)
    csr_pem = models.TextField()
    fingerprint_sha256 = models.CharField(max_length=64)
    model = models.CharField(max_length=80)
    serial = models.CharField(max_length=80)
    capabilities = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True, blank=True)
    interval_s = models.PositiveSmallIntegerField(default=2)
    device = models.ForeignKey(
        Device, null=True, blank=True, on_delete=models.CASCADE, related_name="authorizations"
    )

    def __str__(self) -> str:
        return f"{self.model} {self.serial}"


class DeviceCertificate(BaseModel):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="certificates")
    serial_number = models.CharField(max_length=64, unique=True)
    certificate_pem = models.TextField()
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.serial_number
